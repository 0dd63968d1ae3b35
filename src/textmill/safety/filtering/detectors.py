"""What finds text for filters, also in a text that is still being written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from textmill.config import FilterConfig, RedactionConfig
from textmill.safety.characters import UNSPACED
from textmill.safety.credentials import open_private_key
from textmill.safety.filtering.bounded import max_reach
from textmill.safety.filtering.lexicon import Lexicon
from textmill.safety.obfuscation import deobfuscate, original_span
from textmill.safety.phones import SEPARATORS
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.safety.redaction import find_personal_data

Scorer = Callable[[Sequence[str]], Sequence[float]]
"""Returns for each text the probability that it is harmful."""

CONTEXT_CHARS = 100
"""Characters before a text that may decide what is found in it."""


@dataclass(frozen=True)
class Found:
    """A part of a text that a filter finds."""

    rule: FilterConfig
    start: int
    end: int
    language: str | None
    placeholder: str
    """What replaces it if it is masked."""


class Detector(Protocol):
    """Finds text for one or several filters."""

    def find(self, text: str, start: int, stop: int) -> Iterator[Found]:
        """Yield what begins at `start` or after it, and before `stop`, in any order."""

    def settled(self, text: str, start: int) -> int:
        """Return the offset before which nothing changes when more text follows.

        Args:
            text: the text so far.
            start: everything before it is settled.
        """


def placeholder(category: str) -> str:
    """Return what replaces masked text of a category."""
    return f"[{category.upper()}]"


class WordDetector:
    """Finds the words and phrases of all filters with lists.

    Args:
        lexicon: by filter and language.
    """

    def __init__(self, lexicon: Lexicon[tuple[FilterConfig, str | None]]) -> None:
        self._lexicon = lexicon

    def find(self, text: str, start: int, stop: int) -> Iterator[Found]:
        """See `Detector`."""
        base = max(0, start - CONTEXT_CHARS)
        for (rule, language), begin, end in self._lexicon.find(text[base:]):
            if start <= base + begin < stop:
                mask = placeholder(rule.category)
                yield Found(rule, base + begin, base + end, language, mask)

    def settled(self, text: str, start: int) -> int:
        """See `Detector`."""
        base = max(0, start - CONTEXT_CHARS)
        return base + self._lexicon.settled(text[base:], start - base)


class PatternDetector:
    """Finds the regular expressions of one filter.

    Args:
        rule: the filter.
        patterns: of bounded length.
    """

    def __init__(self, rule: FilterConfig, patterns: Sequence[re.Pattern[str]]) -> None:
        self._rule = rule
        self._patterns = patterns
        # One more: a pattern may end with a boundary, which is decided by the character after it.
        self._reach = 1 + max(max_reach(pattern.pattern) for pattern in patterns)

    def find(self, text: str, start: int, stop: int) -> Iterator[Found]:
        """See `Detector`."""
        mask = placeholder(self._rule.category)
        for pattern in self._patterns:
            for match in pattern.finditer(text, start):
                if match.start() < stop:
                    yield Found(self._rule, *match.span(), None, mask)

    def settled(self, text: str, start: int) -> int:
        """See `Detector`."""
        return max(start, len(text) - self._reach)


class PersonalDataDetector:
    """Finds personal data.

    Args:
        rule: the filter.
        redaction: kinds and countries.
    """

    _MAX_CHARS = 500
    # Ideographs are words of their own. Words of letters alone, with punctuation after them, are
    # part of personal data only beside words that are not: bob (at) example.org.
    _TOKEN = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
    _PLAIN = re.compile(
        rf"[{UNSPACED}]|[\"'“„«]?[^\W\d_]++(?:['’-][^\W\d_]++)*+[.,;:!?\"'”“»)…，。、；：？！]*"
    )

    # These read backwards from a place. A word may be a token of any length, and in a series of
    # numbers, each may depend on those before it.
    _UNBROKEN = re.compile(rf"(?:[^\S\n]|[\d{SEPARATORS}])*+[^\s{UNSPACED}]*+")
    # The domain of an address may have ideographs, and a bank account number groups of letters.
    _GOES_ON = re.compile(
        r"[\w.\uff0e-]{0,600}[@\uff20]|[0-9A-Z \xa0-]{0,64}?[0-9]{2}[A-Z]{2}(?![0-9A-Za-z_])"
    )
    _GOES_ON_CHARS = 700

    def __init__(self, rule: FilterConfig, redaction: RedactionConfig) -> None:
        self._rule = rule
        self._redaction = redaction

    def find(self, text: str, start: int, stop: int) -> Iterator[Found]:
        """See `Detector`."""
        base = self._unbroken(text, 0, max(0, start - CONTEXT_CHARS))
        for one in find_personal_data(text[base:], self._redaction):
            if start <= base + one.start < stop:
                span = (base + one.start, base + one.end)
                yield Found(self._rule, *span, None, PLACEHOLDERS[one.kind])

    def settled(self, text: str, start: int) -> int:
        """See `Detector`."""
        settled = self._settled_words(text, start)
        pending = text[start:]
        keys = [open_private_key(pending)]
        if views := deobfuscate(pending):
            begin = open_private_key(views[-1].text)
            keys.append(None if begin is None else original_span(views, (begin, begin + 1))[0])
        return min(settled, *(start + key for key in keys if key is not None), len(text))

    def _settled_words(self, text: str, start: int) -> int:
        begin = max(start, len(text) - self._MAX_CHARS)
        tokens = [match.span() for match in self._TOKEN.finditer(text, begin)]
        if begin and not text[begin - 1].isspace():
            del tokens[:1]  # part of a word
        is_plain = [bool(self._PLAIN.fullmatch(text, *span)) for span in tokens]
        # The last word may go on, and the one before it may be the first of an address.
        for index in range(len(tokens) - 2, 0, -1):
            at = tokens[index][0]
            if is_plain[index - 1] and is_plain[index]:
                before = text[max(0, at - self._GOES_ON_CHARS) : at][::-1]
                if not self._GOES_ON.match(before):
                    return at
        return self._unbroken(text, start, begin)

    def _unbroken(self, text: str, start: int, at: int) -> int:
        """Return where what should not be divided at a place begins, but at least `start`."""
        unbroken = self._UNBROKEN.match(text[start:at][::-1])
        assert unbroken is not None  # it may be empty
        return at - unbroken.end()


class ModelDetector:
    """Finds sentences that a classifier considers harmful; made for one text.

    Args:
        rule: the filter.
        scorer: its model.
    """

    MAX_CHARS = 300
    """Maximum length of a sentence; longer ones are divided."""
    _SENTENCE = re.compile(
        rf"[^.!?。！？\n]{{1,{MAX_CHARS}}}[.!?。！？\n]{{0,10}}\s*|[.!?。！？\n]{{1,10}}\s*"
    )

    def __init__(self, rule: FilterConfig, scorer: Scorer) -> None:
        self._rule = rule
        self._scorer = scorer
        self._scores: dict[tuple[int, int], float] = {}

    def find(self, text: str, start: int, stop: int) -> Iterator[Found]:
        """See `Detector`."""
        found = (match.span() for match in self._SENTENCE.finditer(text))
        spans = [span for span in found if start <= span[0] < stop and text[slice(*span)].strip()]
        if new := [span for span in spans if span not in self._scores]:
            scores = self._scorer([text[begin:end].strip() for begin, end in new])
            self._scores |= zip(new, scores, strict=True)
        for begin, end in spans:
            if self._scores[begin, end] >= self._rule.threshold:
                last = begin + len(text[begin:end].rstrip())
                yield Found(self._rule, begin, last, None, placeholder(self._rule.category))

    def settled(self, text: str, start: int) -> int:
        """See `Detector`."""
        *_, last = (match.start() for match in self._SENTENCE.finditer(text)) if text else (0,)
        return max(start, last)
