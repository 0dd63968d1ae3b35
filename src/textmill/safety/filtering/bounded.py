"""A check that a regular expression takes linear time and finds text of bounded length.

Python's `re` backtracks: at each position of a text it may try every way in which a pattern can
match, and `(a+)+b` has exponentially many. The number of ways is bounded if every repetition is;
this module computes an upper bound of it from the parsed pattern. Then the time for a text is at
most its length times the bound times the longest match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from re import _constants, _parser  # type: ignore[attr-defined]  # the parser of the library itself
from typing import Any

MAX_CHARS = 200
"""Maximum length of a match, together with what lookaheads look at."""
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
    if _reach(parsed) > MAX_CHARS:
        return (
            f"looks ahead at more than {MAX_CHARS} characters: limit the repetitions in its "
            "lookaheads, such as (?=.{0,40}b) instead of (?=.*b)"
        )
    if _ways(parsed) > MAX_WAYS:
        return (
            f"can match in more than {MAX_WAYS:,} ways, which may take long: limit its "
            r"repetitions, or make them possessive, such as \w{1,20}+"
        )
    return None


def max_reach(pattern: str) -> int:
    """Return how far a regular expression without problems may look after the start of a match.

    In characters: those of the longest match, and of what lookaheads require or exclude after it.
    """
    return _reach(_parser.parse(pattern, re.IGNORECASE))


def _reach(parsed: Any) -> int:
    longest = int(parsed.getwidth()[1])  # counts an assertion as 0 characters
    return longest + max((_reach(inner) for inner in _assertions(parsed)), default=0)


def _assertions(parsed: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    """Yield the content of each lookahead and lookbehind that is not within another."""
    for operation, value in parsed:
        if operation in (_constants.ASSERT, _constants.ASSERT_NOT):
            yield value[1]
            continue
        for part in _parts(value):
            yield from _assertions(part)


def _parts(value: Any) -> Iterator[Any]:
    """Yield the sequences in the value of an operation: branches, groups, what is repeated."""
    if isinstance(value, _parser.SubPattern):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _parts(part)


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
