"""Specifies how texts, times and numbers are shown."""

from __future__ import annotations

from textmill.reports.formats import cut, duration


def test_numbers_are_formatted() -> None:
    assert [duration(s) for s in (None, 3.14, 101.2, 7265)] == [
        "–",
        "3.1 s",
        "1 min 41 s",
        "2 h 01 min",
    ]
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "abc …")
