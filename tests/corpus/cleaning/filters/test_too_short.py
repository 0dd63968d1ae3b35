"""Specifies the filter of short documents."""

from __future__ import annotations

from textmill.config import CleanConfig
from textmill.corpus.cleaning.filters import Document, Rejection
from textmill.corpus.cleaning.filters.too_short import TooShort

CONFIG = CleanConfig.model_validate({"sources": [{"name": "a", "path": "a"}], "min_chars": 3})


def test_characters_are_counted_whatever_their_bytes() -> None:
    documents = [Document(text, "en") for text in ("abc", "春眠不", "ab", "")]
    assert list(TooShort().configured(CONFIG).judge(documents)) == [
        None,
        None,
        Rejection("too_short", "2 characters"),
        Rejection("too_short", "0 characters"),
    ]


def test_its_description_names_the_threshold() -> None:
    assert TooShort().describe(CONFIG) == "documents below 3 characters"
