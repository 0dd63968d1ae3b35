"""Filters of prompts and outputs, as one object that checks texts and streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import get_args

from textmill.config import (
    PERSONAL_DATA,
    UNREDACTED,
    FilterConfig,
    FilterSide,
    RedactionConfig,
)
from textmill.errors import InputError
from textmill.safety.filtering.decisions import Decision, FilterCounts
from textmill.safety.filtering.detectors import (
    Detector,
    Found,
    ModelDetector,
    PatternDetector,
    PersonalDataDetector,
    Scorer,
    WordDetector,
)
from textmill.safety.filtering.lexicon import Lexicon
from textmill.safety.filtering.phrases import Phrase
from textmill.safety.filtering.word_lists import WordList, parse_list, read_list, shipped_list

REDACTION = FilterConfig(category=PERSONAL_DATA, action="mask")
"""The filter that redaction is."""


@dataclass(frozen=True)
class Checked:
    """A text after all filters."""

    text: str
    """The text with what was masked; of a blocked one, what stands before the finding."""
    decisions: tuple[Decision, ...]

    @property
    def is_blocked(self) -> bool:
        """Whether a filter blocked it."""
        return any(decision.action == "block" for decision in self.decisions)


class ContentFilter:
    """Checks texts with filters; several threads may share one.

    Args:
        filters: the filters.
        scorers: for each filter with a `model`, the function that scores texts with it.

    Raises:
        InputError: a list cannot be read, or a line of it is wrong.
    """

    def __init__(
        self, filters: Sequence[FilterConfig], scorers: Mapping[FilterConfig, Scorer] | None = None
    ) -> None:
        self.counts = FilterCounts()
        """The numbers of decisions so far."""
        lists = [
            (rule, language, content) for rule in filters for language, content in _lists(rule)
        ]
        scored = [
            (rule, _scorer(rule, scorers or {})) for rule in filters if rule.model is not None
        ]
        self._model_sides = {
            side for side in get_args(FilterSide) for rule, _ in scored if rule.checks(side)
        }
        self._detectors: dict[FilterSide, list[Callable[[], Detector]]] = {
            side: [
                *_of_lists([entry for entry in lists if entry[0].checks(side)]),
                *(partial(ModelDetector, *pair) for pair in scored if pair[0].checks(side)),
                *(
                    partial(PersonalDataDetector, rule, RedactionConfig())
                    for rule in filters
                    if rule.checks(side) and _is_personal(rule)
                ),
            ]
            for side in get_args(FilterSide)
        }

    def uses_model(self, side: FilterSide) -> bool:
        """Return whether checks of a side run a model, so that they take longer."""
        return side in self._model_sides

    def check(
        self, text: str, side: FilterSide, redaction: RedactionConfig = UNREDACTED
    ) -> Checked:
        """Return a text after all filters, and after the redaction of a model."""
        stream = self._stream(side, redaction)
        given = stream.feed(text, is_last=True)
        return Checked(given, tuple(stream.decisions))

    def stream(self, redaction: RedactionConfig = UNREDACTED) -> StreamFilter:
        """Return the filter of one output, which gets it piece by piece.

        Args:
            redaction: that of the model.
        """
        return self._stream("output", redaction)

    def _stream(self, side: FilterSide, redaction: RedactionConfig) -> StreamFilter:
        detectors = [make() for make in self._detectors[side]]
        if redaction.enabled:
            detectors.append(PersonalDataDetector(REDACTION, redaction))
        return StreamFilter(detectors, side, self.counts)


class StreamFilter:
    """The filters of one text that is still being written.

    What `feed` returns is exactly what a check of the whole text would return, as early as it is
    known: text that may turn out to be part of a finding is held back.

    Args:
        detectors: what finds text.
        side: what the text is.
        counts: where decisions are counted.
    """

    def __init__(
        self, detectors: Sequence[Detector], side: FilterSide, counts: FilterCounts
    ) -> None:
        self.decisions: list[Decision] = []
        """The decisions so far."""
        self.is_blocked = False
        """Whether the text was blocked: nothing more will be returned."""
        self._detectors = detectors
        self._side = side
        self._counts = counts
        self._text = ""
        self._done = 0

    def feed(self, piece: str, *, is_last: bool = False) -> str:
        """Return what may be shown after the next piece of the text, possibly nothing.

        Args:
            piece: the piece.
            is_last: nothing follows.
        """
        if self.is_blocked:
            return ""
        self._text += piece
        stop = len(self._text)
        if not is_last:
            settled = (detector.settled(self._text, self._done) for detector in self._detectors)
            stop = min(settled, default=stop)
        return self._release(stop) if stop > self._done else ""

    def finish(self) -> str:
        """Return the rest of the text, which is complete."""
        return self.feed("", is_last=True)

    def filter(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yield what may be shown of a generated text; its generation ends if it is blocked."""
        remaining = iter(pieces)
        for piece in remaining:
            if shown := self.feed(piece):
                yield shown
            if self.is_blocked:
                if (close := getattr(remaining, "close", None)) is not None:
                    close()
                return
        if shown := self.finish():
            yield shown

    def _release(self, stop: int) -> str:
        """Return the text up to an offset, or up to what reaches over it or is blocked."""
        start = self._done
        found = _merged(
            one for detector in self._detectors for one in detector.find(self._text, start, stop)
        )
        for one in reversed(found):
            if one.start < stop < one.end:  # more text may make it longer
                stop = one.start
        kept = [one for one in found if one.start < stop]
        blocked = [one.start for one in kept if one.rule.action == "block"]
        if blocked:
            stop, self.is_blocked = min(blocked), True
            kept = [
                one
                for one in kept
                if one.start < stop or (one.start == stop and one.rule.action == "block")
            ]
        new = [_decision(one, self._side) for one in kept]
        self.decisions += new
        self._counts.record(new)
        self._done = stop
        masks = [one for one in kept if one.rule.action == "mask" and one.start < stop]
        return _masked(self._text, start, stop, masks)


def _decision(one: Found, side: FilterSide) -> Decision:
    return Decision(one.rule.category, one.rule.action, side, one.start, one.end, one.language)


def _lists(rule: FilterConfig) -> Iterator[tuple[str | None, WordList]]:
    """Yield the lists of a filter, with the languages of the shipped ones."""
    if rule.model is not None or _is_personal(rule):
        return
    if rule.path is not None:
        yield None, read_list(Path(rule.path))
    if rule.patterns:
        yield None, parse_list(rule.patterns, f"safety.filters: patterns of {rule.category}")
    if rule.path is None and not rule.patterns:
        for language in rule.languages:
            yield language, shipped_list(rule.category, language)


def _is_personal(rule: FilterConfig) -> bool:
    """Return whether a filter finds personal data as redaction does."""
    own = rule.patterns or rule.path is not None or rule.model is not None
    return rule.category == PERSONAL_DATA and not own


def _scorer(rule: FilterConfig, scorers: Mapping[FilterConfig, Scorer]) -> Scorer:
    if rule not in scorers:
        raise InputError(
            f"safety.filters: the filter {rule.category} needs the model {rule.model}, which is "
            "not available here: remove the filter."
        )
    return scorers[rule]


def _of_lists(
    lists: Sequence[tuple[FilterConfig, str | None, WordList]],
) -> Iterator[Callable[[], Detector]]:
    """Yield what returns the detectors of lists, which all texts share."""
    phrases: dict[tuple[FilterConfig, str | None], list[Phrase]] = {}
    for rule, language, content in lists:
        phrases.setdefault((rule, language), []).extend(content.phrases)
        if content.patterns:
            yield partial(_same, PatternDetector(rule, content.patterns))
    if phrases:
        yield partial(
            _same, WordDetector(_lexicon(tuple((k, tuple(v)) for k, v in phrases.items())))
        )


@lru_cache(4)
def _lexicon(
    lists: tuple[tuple[tuple[FilterConfig, str | None], tuple[Phrase, ...]], ...],
) -> Lexicon[tuple[FilterConfig, str | None]]:
    """Return the lexicon of some lists; often the same for prompts and outputs."""
    return Lexicon(dict(lists))


def _same(detector: Detector) -> Detector:
    return detector


def _merged(found: Iterable[Found]) -> list[Found]:
    """Return what was found in order, with what overlaps joined for each filter."""
    joined: dict[FilterConfig, list[Found]] = {}
    for one in sorted(found, key=lambda one: (one.start, -one.end, one.language or "")):
        of_rule = joined.setdefault(one.rule, [])
        if of_rule and one.start < of_rule[-1].end:
            of_rule[-1] = replace(of_rule[-1], end=max(one.end, of_rule[-1].end))
        else:
            of_rule.append(one)
    return sorted(chain.from_iterable(joined.values()), key=lambda one: (one.start, one.end))


def _masked(text: str, start: int, stop: int, masks: Iterable[Found]) -> str:
    """Return a part of a text with the masks, of which overlapping ones become the first."""
    pieces: list[str] = []
    done = start
    for one in masks:
        if one.start >= done:
            pieces += [text[done : one.start], one.placeholder]
        done = max(done, one.end)
    return "".join(pieces) + text[done:stop]
