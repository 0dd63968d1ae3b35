"""All words and phrases of several lists, found in one pass over a text."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Generic, TypeVar

from textmill.safety.filtering.automaton import (
    DEAD,
    SPREAD,
    Automaton,
    State,
    first_chars,
    is_word,
)
from textmill.safety.filtering.folding import AROUND_CHARS, LETTER, WORD, View, fold, views
from textmill.safety.filtering.phrases import Phrase
from textmill.safety.numbers import Span

MAX_CHARS = 400
"""Maximum length of a finding in the text; disguises can make it longer than its phrase."""
_NEVER = re.compile("(?!)")
_BEGINS_WORD = re.compile(rf"(?<!{LETTER})\S")
_ANY = re.compile(r"\S")
Label = TypeVar("Label", bound=Hashable)


class Lexicon(Generic[Label]):
    """Finds the phrases of labelled lists.

    Args:
        lists: the phrases of each label.
    """

    def __init__(self, lists: Mapping[Label, Iterable[Phrase]]) -> None:
        self._phrases = [(label, phrase) for label, phrases in lists.items() for phrase in phrases]
        self._exact = Automaton(self._phrases, is_loose=False)
        self._begins = (
            (self._exact.words, _first_letters(self._exact)),
            (self._exact.ideographs, _first_ideographs(self._exact)),
        )

    def find(self, text: str) -> Iterator[tuple[Label, int, int]]:
        """Yield the label, start and end of each phrase in a text; phrases may overlap."""
        if not self._phrases:
            return
        most = MAX_CHARS
        for view in views(text):
            for state, pattern in self._begins:
                for match in pattern.finditer(view.text):
                    yield from self._find_at(view, match.start(), state, most)
            # A longer one would depend on how far a view of a part of the text happens to reach.
            most = AROUND_CHARS

    def _find_at(
        self, view: View, begin: int, state: State, most: int
    ) -> Iterator[tuple[Label, int, int]]:
        """Yield the longest phrase of each label that begins at a place, of `most` characters."""
        text, step = view.text, self._exact.step
        longest: dict[Label, Span] = {}
        for at in range(begin, min(len(text), begin + most)):
            state = state.following.get(text[at]) or step(state, text[at])
            if state is DEAD:
                break
            for label, at_end_of_word in state.ends:
                is_inside = at_end_of_word and is_word(text[at]) and is_word(text[at + 1 : at + 2])
                if is_inside:
                    continue
                span = view.original_span(begin, begin + len(text[begin : at + 1].rstrip(SPREAD)))
                if span is not None and span[1] - span[0] <= MAX_CHARS:
                    longest[label] = span
        for label, span in longest.items():
            yield label, *span

    def settled(self, text: str, start: int) -> int:
        """Return where the first phrase begins that more text may complete, or the end of the text.

        Args:
            text: the text so far.
            start: no phrase begins before it.
        """
        view = fold(text)
        first = bisect_left(view.starts, start)
        unfinished = (
            match.start()
            for state, pattern in (
                (self._loose.words, _BEGINS_WORD),
                (self._loose.ideographs, _ANY),
            )
            for match in pattern.finditer(view.text, first)
            if self._goes_on(view.text, match.start(), state)
        )
        at = min(unfinished, default=None)
        found = len(text) if at is None else view.starts[at]
        return max(found, start, len(text) - MAX_CHARS)

    def _goes_on(self, text: str, begin: int, state: State) -> bool:
        """Return whether a phrase that begins at a place may go on after the end of the text."""
        for at in range(begin, len(text)):
            state = state.following.get(text[at]) or self._loose.step(state, text[at])
            if state is DEAD:
                return False
        return True

    @cached_property
    def _loose(self) -> Automaton:
        return Automaton(self._phrases, is_loose=True)


def _first_ideographs(automaton: Automaton) -> re.Pattern[str]:
    """Return a pattern of the ideographs that phrases begin with."""
    chars = "".join(first_chars(automaton, automaton.ideographs, 1))
    return re.compile(f"[{re.escape(chars)}]") if chars else _NEVER


def _first_letters(automaton: Automaton) -> re.Pattern[str]:
    """Return a pattern of the places where phrases may begin with a word.

    It has the first three characters, so that `re`, which is fast, rejects most words.
    """
    tree: dict[str, dict[str, set[str]]] = {}
    for beginning in first_chars(automaton, automaton.words, 3):
        first, second, third = beginning[:1], beginning[1:2], beginning[2:]
        tree.setdefault(first, {}).setdefault(second, set()).add(third)
    branches = [f"{first}{_alternatives(rest)}" for first, rest in sorted(tree.items())]
    return re.compile(f"(?<!{WORD})(?:{'|'.join(branches)})") if branches else _NEVER


def _alternatives(tree: dict[str, set[str]]) -> str:
    if "" in tree:
        return ""
    branches = [
        re.escape(second) + ("" if "" in thirds else f"[{''.join(map(re.escape, sorted(thirds)))}]")
        for second, thirds in sorted(tree.items())
    ]
    return f"(?:{'|'.join(branches)})"
