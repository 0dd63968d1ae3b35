"""Words and sentences that the tests of the quality filters are made of."""

from __future__ import annotations

WORDS = [f"{a}{b}{c}r" for a in "bdfgklmnpst" for b in "aeiou" for c in "lmnst"]
PROSE = "The cat sat with the dog, and that was to be the end of it. "


def distinct(n: int, begin: int = 0) -> str:
    """Return some words, each once."""
    return " ".join(WORDS[begin : begin + n])
