"""Telephone numbers, validated against the numbering plans of the phonenumbers library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import phonenumbers

from textmill.safety.characters import MASK
from textmill.safety.numbers import Span

# Dates can be valid telephone numbers: in Germany 05.11.2004 is a number in Hannover, and so is a
# lifespan such as (1641–1679).
_DATE = re.compile(
    r"(?<![\d+])(?<!\d[./-])(?:[0-3]?\d([./-])[0-3]?\d\1(?:19|20)?\d\d"
    r"|(?:19|20)\d\d([./-])[01]?\d\2[0-3]?\d|(?:1\d|20)\d\d ?[–—-] ?(?:1\d|20)\d\d)(?![./-]?\d)"
)
# Seven or more digits with few separators that phonenumbers accepts between them: brackets, dots,
# slashes, tildes, hyphens, spaces and their full-width forms. phonenumbers needs 100 us per
# candidate and region, so it only receives such candidates.
SEPARATORS = (
    " \xa0\xad\u200b\u2060\u3000()\uff08\uff09\\[\\]\uff3b\uff3d./\uff0f~\u2053\u223c\uff5e"
    "\u2010-\u2015\u2212\uff0d-"
)
"""What may stand between the digits of a number, as the inside of a character class."""
_DIGIT_GROUP = re.compile(rf"\d(?:[{SEPARATORS}]{{0,4}}\d){{6,}}+")
_CLOSING = re.compile(r"[)\]]")
_CHARS_BEFORE = 12  # context for leading brackets, signs and the preceding character
_CHARS_AFTER = 32  # context for an extension, or the minutes of a time
_CACHED_SPANS = 4096

_BLOCK = re.compile(r"\d+")
_BLOCKS = 42  # passed to phonenumbers at once; a number has up to 21
_BLOCKS_AGAIN = 21  # overlap of two windows: a number may span their boundary
# Characters of a national number, without plus sign or extension.
_NATIONAL = re.compile(r"[0-9()\[\]./ \xa0-]+")
_NO_DIGIT = dict.fromkeys(map(ord, "()[]./ \xa0-"))
_TYPES = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
    *("personal_number", "voip", "pager", "uan", "voicemail"),
)


def find_phones(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    """Yield the spans of telephone numbers that are valid in their country's numbering plan."""
    if not _DIGIT_GROUP.search(text):
        return
    without_dates = _DATE.sub(lambda match: MASK * len(match[0]), text)
    groups = [match.span() for match in _DIGIT_GROUP.finditer(without_dates)]
    done = 0
    for index, (start, end) in enumerate(groups):
        # Exclude the neighbours' digits: half a number can look like a complete one.
        previous_end = groups[index - 1][1] if index else 0
        next_start = groups[index + 1][0] if index + 1 < len(groups) else len(text)
        left = max(start - _CHARS_BEFORE, previous_end, done)
        right = min(end + _CHARS_AFTER, next_start)
        for first, last in _spans_in_group(without_dates, left, end, right, regions):
            done = last
            # phonenumbers treats the bracket in "(212 555 0123)" as that of an area code.
            has_stray_bracket = text[first] in "([" and not _CLOSING.search(text, first, done)
            yield first + has_stray_bracket, done


def _spans_in_group(
    text: str, left: int, end: int, right: int, regions: tuple[str, ...]
) -> Iterator[Span]:
    """Yield the spans of numbers in a group of digits of any length, one window at a time.

    Each window is looked up by its own text, so that repeated text is searched once.

    Args:
        text: the text.
        left: start of the context before the group.
        end: end of the group.
        right: end of the context after the group.
        regions: countries whose national formats are recognised.
    """
    blocks = [match.span() for match in _BLOCK.finditer(text, left, end)]
    at = 0
    while at < len(blocks):
        is_last = at + _BLOCKS >= len(blocks)
        stop = right if is_last else blocks[at + _BLOCKS - 1][1]
        done = left
        for first, last in _spans(text[left:stop], regions):
            yield left + first, left + last
            done = left + last
        if is_last:
            return
        at += _BLOCKS - _BLOCKS_AGAIN
        while at < len(blocks) and blocks[at][0] < done:
            at += 1
        if at < len(blocks):
            left = max(done, blocks[at - 1][1])


class _Matcher(phonenumbers.PhoneNumberMatcher):
    """Finds the same numbers as its base class, rejecting most impossible candidates early.

    The base class parses every candidate, in 30 us each.
    """

    def _parse_and_verify(self, candidate: str, offset: int) -> Any:
        if self.preferred_region is not None and _NATIONAL.fullmatch(candidate):
            pattern = _national_pattern(self.preferred_region)
            if pattern is not None and not pattern.fullmatch(candidate.translate(_NO_DIGIT)):
                return None
        return super()._parse_and_verify(candidate, offset)


@cache
def _national_pattern(region: str) -> re.Pattern[str] | None:
    """Return a pattern that the digits of every valid national number of a region match.

    None if the region transforms its national numbers, so that no such pattern exists.
    """
    own = phonenumbers.PhoneMetadata.metadata_for_region(region)
    assert own is not None  # check_regions has rejected others
    assert own.country_code is not None
    if own.national_prefix_transform_rule:
        return None
    sharing = map(
        phonenumbers.PhoneMetadata.metadata_for_region,
        phonenumbers.region_codes_for_country_code(own.country_code),
    )
    kinds = (getattr(one, kind) for one in sharing for kind in _TYPES)
    numbers = "|".join(
        dict.fromkeys(
            kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern
        )
    )
    trunk = own.national_prefix_for_parsing or ""
    return re.compile(
        rf"(?:{own.country_code})?(?:{trunk})?(?:{numbers})|(?:{own.international_prefix})\d+"
    )


@lru_cache(_CACHED_SPANS)
def _spans(text: str, regions: tuple[str, ...]) -> tuple[Span, ...]:
    """Return the spans of telephone numbers in order, overlapping ones merged."""
    # Every region finds international numbers too; None finds only those.
    spans = sorted(
        (match.start, match.end)
        for region in regions or (None,)
        for match in _Matcher(text, region, leniency=phonenumbers.Leniency.VALID)
    )
    merged: list[Span] = []
    for start, end in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
