"""Telephone numbers, by the numbering plans that the library phonenumbers holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import phonenumbers

from textmill.safety.characters import MASK
from textmill.safety.numbers import Place

# Dates are valid telephone numbers in Germany, where 05.11.2004 is one of Hannover, and so are the
# years of a life: (1641–1679).
_DATE = re.compile(
    r"(?<![\d+])(?<!\d[./-])(?:[0-3]?\d([./-])[0-3]?\d\1(?:19|20)?\d\d"
    r"|(?:19|20)\d\d([./-])[01]?\d\2[0-3]?\d|(?:1\d|20)\d\d ?[–—-] ?(?:1\d|20)\d\d)(?![./-]?\d)"
)
# Seven or more digits with little between them that phonenumbers accepts there: brackets, dots,
# slashes, tildes, hyphens, blanks and their full-width forms. It needs 100 us for such a place and
# region, so it is shown nothing else.
_DIGIT_GROUP = re.compile(
    "\\d(?:[ \xa0\xad\u200b\u2060\u3000()\uff08\uff09\\[\\]\uff3b\uff3d./\uff0f~\u2053\u223c\uff5e"
    "\u2010-\u2015\u2212\uff0d-]{0,4}\\d){6,}+"
)
_CLOSING = re.compile(r"[)\]]")
_CHARS_BEFORE = 12  # phonenumbers looks at leading brackets and signs, and the character before
_CHARS_AFTER = 32  # and at an extension, or the minutes of a time
_CACHED_PLACES = 4096


def find_phones(text: str, regions: tuple[str, ...]) -> Iterator[Place]:
    """Yield the places of telephone numbers that are valid in their country's numbering plan."""
    if not _DIGIT_GROUP.search(text):
        return
    without_dates = _DATE.sub(lambda match: MASK * len(match[0]), text)
    groups = [match.span() for match in _DIGIT_GROUP.finditer(without_dates)]
    done = 0
    for index, (start, end) in enumerate(groups):
        # The neighbours' digits are kept out: half a number can look like a whole one.
        previous_end = groups[index - 1][1] if index else 0
        next_start = groups[index + 1][0] if index + 1 < len(groups) else len(text)
        left = max(start - _CHARS_BEFORE, previous_end, done)
        right = min(end + _CHARS_AFTER, next_start)
        for first, last in _places(without_dates[left:right], regions):
            first += left
            done = left + last
            # phonenumbers takes the bracket in "(212 555 0123)" for one of an area code.
            has_stray_bracket = text[first] in "([" and not _CLOSING.search(text, first, done)
            yield first + has_stray_bracket, done


@lru_cache(_CACHED_PLACES)
def _places(text: str, regions: tuple[str, ...]) -> tuple[Place, ...]:
    """Return the places of telephone numbers in order, overlapping ones as one."""
    # Every region finds international numbers too; None finds nothing else.
    places = sorted(
        (match.start, match.end)
        for region in regions or (None,)
        for match in phonenumbers.PhoneNumberMatcher(
            text, region, leniency=phonenumbers.Leniency.VALID
        )
    )
    merged: list[Place] = []
    for start, end in places:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
