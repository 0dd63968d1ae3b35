"""Specifies what counts as a combining mark."""

from __future__ import annotations

import sys
import unicodedata

from textmill.corpus.words import combining_mark_ranges


def test_combining_marks_are_those_of_all_planes() -> None:
    every = {n for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n))[0] == "M"}
    assert {n for first, last in combining_mark_ranges() for n in range(first, last + 1)} == every
