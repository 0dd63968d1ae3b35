"""Words of plain text in any script."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import chain

from textmill.safety.characters import UNSPACED

ASSIGNED = (range(0x300, 0x40000), range(0xE0000, 0xE1000))
"""Assigned code points, a quarter of all; the rest are unassigned or for private use. Scanning all
of them took 0.3 s at the start of every prediction."""
MARKS = frozenset(("Mn", "Mc", "Me"))


@cache
def word_pattern() -> re.Pattern[str]:
    """Return a pattern that matches the words of a text, including URLs and punctuation.

    Every ideograph and kana is a word. Punctuation between letters or digits is part of the word;
    any other punctuation mark is a separate word.
    """
    # \w does not include combining marks, such as the vowels of Devanagari.
    marks = "".join(f"{chr(first)}-{chr(last)}" for first, last in combining_mark_ranges())
    letters = rf"(?:(?![{UNSPACED}])[\w{marks}])+"
    return re.compile(
        rf"https?://[^\s{UNSPACED}]+|[{UNSPACED}]|[@#]?{letters}(?:[^\w\s]{letters})*|[^\w\s]"
    )


def split_words(text: str) -> list[str]:
    """Return the words of a text, in order."""
    return word_pattern().findall(text)


@cache
def combining_mark_ranges() -> tuple[tuple[int, int], ...]:
    """Return the ranges of code points that are combining marks, ends inclusive."""
    ranges: list[tuple[int, int]] = []
    for number in chain(*ASSIGNED):
        if unicodedata.category(chr(number)) in MARKS:
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1] = (ranges[-1][0], number)
            else:
                ranges.append((number, number))
    return tuple(ranges)


def word_shape(word: str) -> str:
    """Return the character classes of a word, with runs collapsed: "McDonald" becomes "XxXx"."""
    found = ""
    for character in word:
        kind = "X" if character.isupper() else "x" if character.isalpha() else character
        kind = "0" if character.isdigit() else kind
        if not found.endswith(kind):
            found += kind
    return found
