"""Redaction of pre-tokenized text: the number of words is kept, so that their tags still match."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from textmill.config import RedactionConfig
from textmill.safety.numbers import Span
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.safety.redaction import find_personal_data

_JOINERS = frozenset("@.-/:_+()")
"""Punctuation that tokenizers split off, and that occurs inside addresses and numbers."""


def redact_words(words: Sequence[str], config: RedactionConfig) -> tuple[str, ...]:
    """Return the words with placeholders for personal data within or across them.

    The number of words is the same. Every word that overlaps the data contains its placeholder:
    "+49 30 901820" becomes three of them if it was three words. Words are joined by a space;
    without one around punctuation, since "bob @ example . com" may be one address; and without any
    if all are single characters.
    """
    if not config.enabled:
        return tuple(words)
    if all(len(word) <= 1 for word in words):
        return _redact(words, [""] * len(words), config)
    redacted = _redact(words, [" "] * len(words), config)
    if not _JOINERS.isdisjoint(redacted):
        pairs = zip(redacted, [*redacted[1:], ""], strict=True)
        redacted = _redact(redacted, ["" if _join(*pair) else " " for pair in pairs], config)
    return redacted


def redact_split(text: str, spans: Sequence[Span], config: RedactionConfig) -> tuple[str, ...]:
    """Return the words at the given spans of a text, redacted as by `redact_words`.

    The spans are in order.
    """
    words = [text[start:end] for start, end in spans]
    starts = [start for start, _ in spans]
    # From the end, so that a replacement does not shift the offsets of earlier ones.
    for finding in reversed(find_personal_data(text, config)):
        at = max(0, bisect_right(starts, finding.start) - 1)
        while at < len(spans) and spans[at][0] < finding.end:
            start, end = spans[at]
            if finding.start < end:
                first, last = max(0, finding.start - start), min(end, finding.end) - start
                word = words[at]
                words[at] = f"{word[:first]}{PLACEHOLDERS[finding.kind]}{word[last:]}"
            at += 1
    return tuple(words)


def _join(left: str, right: str) -> bool:
    """Return whether two words may form one; a capital after a full stop begins a sentence."""
    return right in _JOINERS or (left in _JOINERS and not (left == "." and right[:1].isupper()))


def _redact(words: Sequence[str], gaps: Sequence[str], config: RedactionConfig) -> tuple[str, ...]:
    """Redact words separated by the given gaps."""
    spans: list[Span] = []
    at = 0
    for word, gap in zip(words, gaps, strict=True):
        spans.append((at, at + len(word)))
        at += len(word) + len(gap)
    text = "".join(part for pair in zip(words, gaps, strict=True) for part in pair)
    return redact_split(text, spans, config)
