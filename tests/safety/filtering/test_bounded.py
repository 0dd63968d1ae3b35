"""Specifies which regular expressions are accepted: those of linear time and bounded length."""

from __future__ import annotations

import re

import pytest

from tests.linear_time import assert_linear
from textmill.safety.filtering.bounded import MAX_CHARS, MAX_WAYS, max_reach, problem_of


@pytest.mark.parametrize(
    ("pattern", "reach"),
    [
        (r"\bproject[ -]?(alpha|beta)\b", 13),
        (r"[a-z]{2,5}x", 6),
        (r"(\w)\1{1,3}", 4),
        (r"\w{1,40}+\s{1,3}+\w{1,40}", 83),
        (r"secret(?= plan)", 11),
        (r"project(?= .{0,40}falcon)|x", 54),
        (r"acme(?! .{0,20}rocket)", 31),
        (r"(?=.{0,9}b)(?:a(?=c(?=d))){1,2}", 12),
        (r"(?>a(?=bb))|(c)(?(1)d|e)", 4),
        (r"a(?=" + "b" * (MAX_CHARS - 1) + ")", MAX_CHARS),
        ("x" * MAX_CHARS, MAX_CHARS),
    ],
)
def test_a_bounded_pattern_has_no_problem_and_a_reach(pattern: str, reach: int) -> None:
    assert problem_of(pattern) is None
    assert max_reach(pattern) == reach


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("(a|b", "is no regular expression"),
        ("[z-a]", "is no regular expression"),
        ("a*", "matches the empty text"),
        ("a|", "matches the empty text"),
        (r"a\s+b", f"more than {MAX_CHARS} characters"),
        ("(a+)+b", f"more than {MAX_CHARS} characters"),
        ("x" * (MAX_CHARS + 1), f"more than {MAX_CHARS} characters"),
        ("a(?=.*b)", f"looks ahead at more than {MAX_CHARS} characters"),
        ("a(?!b{0,99}c{0,101})", f"looks ahead at more than {MAX_CHARS} characters"),
        ("(a?){30}a{30}", f"more than {MAX_WAYS:,} ways"),
        ("(?:a|aa){1,30}b", f"more than {MAX_WAYS:,} ways"),
        (r"\w{1,40}\s{1,3}\w{1,40}", f"more than {MAX_WAYS:,} ways"),
        ("(((a{1,9}){1,9}){1,2})b", f"more than {MAX_WAYS:,} ways"),
    ],
)
def test_a_pattern_that_may_take_long_is_named_with_the_fix(pattern: str, named: str) -> None:
    assert named in (problem_of(pattern) or "")


@pytest.mark.parametrize("pattern", [r"a{1,30}b{0,30}c", "(a|aa){1,6}b", r"\w{1,20}\W?\w{1,20}!"])
def test_the_time_of_accepted_patterns_is_linear_on_the_worst_text(pattern: str) -> None:
    assert problem_of(pattern) is None
    compiled = re.compile(pattern)
    assert_linear(compiled.search, lambda length: "a" * length, 2_000)
