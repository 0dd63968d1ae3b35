"""Words of plain text in any script."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import chain

from textmill.safety.characters import UNSPACED

ASSIGNED = (range(0x300, 0x40000), range(0xE0000, 0xE1000))
"""Where marks may be: a quarter of all code points; Unicode has given out none between, and those
above are for private use. All were asked at the start of every prediction, for 0.3 s."""
MARKS = frozenset(("Mn", "Mc", "Me"))


@cache
def word_pattern() -> re.Pattern[str]:
    """Return a pattern whose matches are the words of a text, web addresses and marks included.

    Every ideograph and kana is a word.
    A mark between letters or digits stays in the word; any other mark is a word of its own.
    """
    # \w leaves out combining marks: the vowels of Devanagari are such.
    marks = "".join(f"{chr(first)}-{chr(last)}" for first, last in combining_mark_ranges())
    letters = rf"(?:(?![{UNSPACED}])[\w{marks}])+"
    return re.compile(
        rf"https?://[^\s{UNSPACED}]+|[{UNSPACED}]|[@#]?{letters}(?:[^\w\s]{letters})*|[^\w\s]"
    )


def split_words(text: str) -> list[str]:
    """Return the words of a text in their order."""
    return word_pattern().findall(text)


@cache
def combining_mark_ranges() -> tuple[tuple[int, int], ...]:
    """Return all combining marks as code points, from and to."""
    ranges: list[tuple[int, int]] = []
    for number in chain(*ASSIGNED):
        if unicodedata.category(chr(number)) in MARKS:
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1] = (ranges[-1][0], number)
            else:
                ranges.append((number, number))
    return tuple(ranges)
