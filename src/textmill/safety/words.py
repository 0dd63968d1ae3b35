"""Redaction of texts that are cut into words: each stays one word, so that its tag stays true."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from textmill.config import RedactionConfig
from textmill.safety.numbers import Place
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.safety.redaction import find_personal_data

_JOINERS = frozenset("@.-/:_+()")
"""Marks that tokenizers cut off, and that stand inside of addresses and numbers."""


def redact_words(words: Sequence[str], config: RedactionConfig) -> tuple[str, ...]:
    """Return as many words, with placeholders for personal data that lies in or across them.

    Every word that the data touches holds its placeholder: "+49 30 901820" is three of them, if it
    was three words. Words are read with a space between them; without any around marks, since
    "bob @ example . com" may be one address; and without any if all are single characters.
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


def redact_split(text: str, places: Sequence[Place], config: RedactionConfig) -> tuple[str, ...]:
    """Return the words of a text, by their places in order, with placeholders in them as above."""
    words = [text[start:end] for start, end in places]
    starts = [start for start, _ in places]
    # From the end, so that what is replaced moves nothing that is still to be.
    for finding in reversed(find_personal_data(text, config)):
        at = max(0, bisect_right(starts, finding.start) - 1)
        while at < len(places) and places[at][0] < finding.end:
            start, end = places[at]
            if finding.start < end:
                first, last = max(0, finding.start - start), min(end, finding.end) - start
                word = words[at]
                words[at] = f"{word[:first]}{PLACEHOLDERS[finding.kind]}{word[last:]}"
            at += 1
    return tuple(words)


def _join(left: str, right: str) -> bool:
    """Say whether two words may be parts of one; a capital after a full stop begins a sentence."""
    return right in _JOINERS or (left in _JOINERS and not (left == "." and right[:1].isupper()))


def _redact(words: Sequence[str], gaps: Sequence[str], config: RedactionConfig) -> tuple[str, ...]:
    """Redact words that are followed by these gaps."""
    places: list[Place] = []
    at = 0
    for word, gap in zip(words, gaps, strict=True):
        places.append((at, at + len(word)))
        at += len(word) + len(gap)
    text = "".join(part for pair in zip(words, gaps, strict=True) for part in pair)
    return redact_split(text, places, config)
