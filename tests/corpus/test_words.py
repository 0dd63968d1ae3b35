"""Specifies what counts as a combining mark, and what the shape of a word is."""

from __future__ import annotations

import sys
import unicodedata

from textmill.corpus.words import combining_mark_ranges, word_shape


def test_combining_marks_are_those_of_all_planes() -> None:
    every = {n for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n))[0] == "M"}
    assert {n for first, last in combining_mark_ranges() for n in range(first, last + 1)} == every


def test_a_shape_keeps_the_classes_of_characters() -> None:
    shapes = [word_shape(word) for word in ("McDonald", "B-2b", "", "王三")]
    assert shapes == ["XxXx", "X-0x", "", "x"]
