"""Questions and passages as words, with offsets and without personal data."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from textmill.config import RedactionConfig
from textmill.corpus.words import word_pattern
from textmill.safety.placeholders import PLACEHOLDERS, word_spans
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
    """Return a text as words; offsets are those of the given text.

    Personal data, or its placeholder, is one word.
    """
    redacted, moved = _redact(text, redaction)
    back = [(new, old) for old, new in moved]
    words, offsets = [], []
    for start, end in word_spans(redacted, word_pattern()):
        words.append(redacted[start:end])
        offsets.append(_move((start, end), back))
    return Passage(text, tuple(words), tuple(offsets))


def redact_with_spans(
    text: str, spans: Sequence[Span], redaction: RedactionConfig
) -> tuple[str, list[Span]]:
    """Return a text without personal data, and where its parts are then.

    A part that begins or ends inside of personal data contains its placeholder.
    """
    redacted, moved = _redact(text, redaction)
    return redacted, [_move(span, moved) for span in spans]


def _redact(text: str, redaction: RedactionConfig) -> tuple[str, list[tuple[Span, Span]]]:
    """Return a text with placeholders, and where personal data was and its placeholder is."""
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
    return "".join([*pieces, text[at:]]), moved


def _move(span: Span, moved: Sequence[tuple[Span, Span]]) -> Span:
    """Return where a part of a text is, once other parts have been moved, in order."""
    first, after = span
    begin_by = end_by = 0
    begin = end = -1
    for (start, stop), (new_start, new_stop) in moved:
        if start <= first < stop:
            begin = new_start
        if start < after <= stop:
            end = new_stop
        if stop <= first:
            begin_by = new_stop - stop
        if stop <= after:
            end_by = new_stop - stop
    return (begin if begin >= 0 else first + begin_by), (end if end >= 0 else after + end_by)
