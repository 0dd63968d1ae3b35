"""Questions and passages as words, with offsets and without personal data."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from re import Pattern

from textmill.config import RedactionConfig
from textmill.corpus.words import word_pattern
from textmill.safety.placeholders import PLACEHOLDERS, with_placeholders
from textmill.safety.pretokenized import redact_split
from textmill.safety.redaction import find_personal_data

Span = tuple[int, int]
"""Begin and end, in characters of a text; or the first word and the word after the last."""


@dataclass(frozen=True)
class Passage:
    """A text as words."""

    text: str
    words: tuple[str, ...]
    """Without personal data."""
    offsets: tuple[Span, ...]
    """Begin and end of each word in the text."""

    @property
    def forms(self) -> list[str]:
        """The words, each after a space if there is white space before it in the text."""
        return [
            f" {word}" if start and self.text[start - 1].isspace() else word
            for word, (start, _) in zip(self.words, self.offsets, strict=True)
        ]

    def first(self, n_words: int) -> Passage:
        """Return the text up to that word, with at most so many words."""
        return Passage(self.text, self.words[:n_words], self.offsets[:n_words])

    def words_of(self, span: Span) -> Span:
        """Return the first word that overlaps a part of the text, and the word after the last.

        Raises:
            ValueError: no word does.
        """
        first = bisect_right([end for _, end in self.offsets], span[0])
        after = bisect_left([start for start, _ in self.offsets], span[1])
        if first >= after:
            raise ValueError(f"{self.text[slice(*span)]!r} contains no word")
        return first, after

    def characters_of(self, words: Span) -> Span:
        """Return the begin and the end of words in the text."""
        return self.offsets[words[0]][0], self.offsets[words[1] - 1][1]


def split_passage(text: str, redaction: RedactionConfig) -> Passage:
    """Return a text as words; offsets are those of the given text."""
    offsets = tuple(match.span() for match in _word_pattern().finditer(text))
    return Passage(text, redact_split(text, offsets, redaction), offsets)


def redact_with_spans(
    text: str, spans: Sequence[Span], redaction: RedactionConfig
) -> tuple[str, list[Span]]:
    """Return a text without personal data, and where its parts are then.

    A part that begins or ends inside of personal data contains its placeholder.
    """
    pieces: list[str] = []
    moved: list[tuple[Span, Span]] = []
    at = length = 0
    for finding in find_personal_data(text, redaction):
        placeholder = PLACEHOLDERS[finding.kind]
        length += finding.start - at
        new = length, length + len(placeholder)
        moved.append(((finding.start, finding.end), new))
        pieces += [text[at : finding.start], placeholder]
        at, length = finding.end, new[1]
    pieces.append(text[at:])

    def move(position: int, is_end: bool) -> int:
        shift = 0
        for (start, end), (new_start, new_end) in moved:
            if start < position < end or position == (end if is_end else start):
                return new_end if is_end else new_start
            if position >= end:
                shift = new_end - end
        return position + shift

    return "".join(pieces), [(move(start, False), move(end, True)) for start, end in spans]


@cache
def _word_pattern() -> Pattern[str]:
    return with_placeholders(word_pattern().pattern)
