"""A check that a regular expression takes linear time and finds text of bounded length.

Python's `re` backtracks: at each position of a text it may try every way in which a pattern can
match, and `(a+)+b` has exponentially many. The number of ways is bounded if every repetition is;
this module computes an upper bound of it from the parsed pattern. Then the time for a text is at
most its length times the bound times the longest match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants, _parser  # type: ignore[attr-defined]  # the parser of the library itself
from typing import Any

MAX_CHARS = 200
"""Maximum length of a match."""
MAX_WAYS = 1000
"""Maximum number of ways in which a pattern may match at one position."""


def problem_of(pattern: str) -> str | None:
    """Return what is wrong with a regular expression, and how to fix it; None if nothing is."""
    try:
        parsed = _parser.parse(pattern, re.IGNORECASE)
        re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression of Python: {error}"
    shortest, longest = parsed.getwidth()
    if shortest == 0:
        return "matches the empty text: require a character"
    if longest > MAX_CHARS:
        return (
            f"can match more than {MAX_CHARS} characters: limit its repetitions, such as "
            r"\s{1,3} instead of \s+"
        )
    if _ways(parsed) > MAX_WAYS:
        return (
            f"can match in more than {MAX_WAYS:,} ways, which may take long: limit its "
            r"repetitions, or make them possessive, such as \w{1,20}+"
        )
    return None


def max_chars(pattern: str) -> int:
    """Return the length of the longest match of a regular expression without problems."""
    return int(_parser.parse(pattern, re.IGNORECASE).getwidth()[1])


def _ways(parsed: Iterable[tuple[Any, Any]]) -> int:
    """Return an upper bound of the number of ways of a sequence, of at most MAX_WAYS + 1."""
    ways = 1
    for operation, value in parsed:
        ways = min(ways * _ways_of_one(operation, value), MAX_WAYS + 1)
    return ways


def _ways_of_one(operation: Any, value: Any) -> int:
    match operation:
        case _constants.BRANCH:
            return sum(map(_ways, value[1]))
        case _constants.SUBPATTERN:
            return _ways(value[3])
        case _constants.ATOMIC_GROUP:
            return _ways(value)
        case _constants.ASSERT | _constants.ASSERT_NOT:
            return _ways(value[1])
        case _constants.GROUPREF_EXISTS:
            return sum(_ways(branch) for branch in value[1:] if branch is not None)
        case _constants.POSSESSIVE_REPEAT if _ways(value[2]) == 1:
            return 1
        case _constants.MAX_REPEAT | _constants.MIN_REPEAT | _constants.POSSESSIVE_REPEAT:
            least, most, repeated = value
            return _ways_of_repeats(_ways(repeated), int(least), int(most))
    return 1  # a character, a class, a position or a reference to a group


def _ways_of_repeats(ways: int, least: int, most: int) -> int:
    total = 0
    for count in range(least, most + 1):
        total += min(ways**count, MAX_WAYS + 1)
        if total > MAX_WAYS:
            break
    return total
