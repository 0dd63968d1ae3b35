"""Specifies words of texts with placeholders."""

from __future__ import annotations

import re

import pytest

from textmill.corpus.words import word_pattern
from textmill.safety.placeholders import word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ask [EMAIL], or tel[PHONE]x", ["ask", "[EMAIL]", ",", "or", "tel", "[PHONE]", "x"]),
        ("[EMAIL][EMAIL]", ["[EMAIL]", "[EMAIL]"]),
        ("see [1]", ["see", "[", "1", "]"]),
        ("", []),
    ],
)
def test_a_placeholder_is_one_word(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in word_spans(text, word_pattern())] == words


def test_a_placeholder_is_one_word_among_characters_too() -> None:
    text = "电[PHONE]王"
    spans = word_spans(text, re.compile(r"\S"))
    assert [text[start:end] for start, end in spans] == ["电", "[PHONE]", "王"]
