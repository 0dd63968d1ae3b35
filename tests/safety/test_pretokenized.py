"""Specifies redaction of words, which keeps their number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.config import UNREDACTED, RedactionConfig
from textmill.safety.pretokenized import redact_split, redact_words
from textmill.safety.redaction import find_personal_data

CONFIG = RedactionConfig()
PIECES = [
    "bob@example.com",
    "+49",
    "30",
    "901820",
    "4111",
    "1111",
    "(",
    ")",
    "@",
    ".",
    "a",
    "字",
    "",
]


@pytest.mark.parametrize(
    ("words", "redacted"),
    [
        ("Write to bob@example.com .", "Write to [EMAIL] ."),
        ("Mail (bob@example.com), please", "Mail ([EMAIL]), please"),
        ("Tel:+49 30 901820, ok", "Tel:[PHONE] [PHONE] [PHONE], ok"),
        ("4111 1111 1111 1111", "[CARD] [CARD] [CARD] [CARD]"),
        ("to bob @ example . com . Then", "to [EMAIL] [EMAIL] [EMAIL] [EMAIL] [EMAIL] . Then"),
        ("( 212 ) 555-0147 rings", "[PHONE] [PHONE] [PHONE] [PHONE] rings"),
        ("6-4 3-6 7-5 in 1998", "6-4 3-6 7-5 in 1998"),
        ("[EMAIL] and [PHONE]", "[EMAIL] and [PHONE]"),
    ],
)
def test_every_word_that_the_data_touches_holds_its_placeholder(words: str, redacted: str) -> None:
    assert redact_words(words.split(" "), CONFIG) == tuple(redacted.split(" "))
    assert redact_words(words.split(" "), UNREDACTED) == tuple(words.split(" "))


def test_single_characters_are_read_without_spaces() -> None:
    redacted = redact_words(list("电话13800138000吧"), CONFIG)
    assert redacted == ("电", "话", *["[PHONE]"] * 11, "吧")


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12))
def test_the_number_of_words_stays_and_redacting_again_finds_nothing(words: list[str]) -> None:
    redacted = redact_words(words, CONFIG)
    assert len(redacted) == len(words)
    assert not find_personal_data(" ".join(redacted), CONFIG)


def test_words_of_a_text_are_read_with_what_stands_between_them() -> None:
    text = "Ring +49\u202f30\u202f901820 now."
    places = [(0, 4), (5, 8), (9, 11), (12, 18), (19, 22), (22, 23)]
    redacted = redact_split(text, places, CONFIG)
    assert redacted == ("Ring", "[PHONE]", "[PHONE]", "[PHONE]", "now", ".")
