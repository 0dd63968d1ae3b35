"""Specifies Gopher's quality rules: a text just on either side of each threshold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.corpus.cleaning.filters.prose import distinct
from textmill.config import GopherQualityConfig
from textmill.corpus.cleaning.filters.gopher_quality import gopher_quality
from textmill.corpus.cleaning.filters.measures import measure


def quality(text: str, language: str = "en", **settings: Any) -> str | None:
    (measures,) = measure([text], [], [])
    config = GopherQualityConfig.model_validate({"min_words": None, "min_stop_words": 0} | settings)
    return gopher_quality(text, measures, language, config)


@pytest.mark.parametrize(
    ("text", "settings", "reason"),
    [
        (distinct(50), {"min_words": 50}, None),
        (distinct(49), {"min_words": 50}, "words 49 < 50"),
        (distinct(51), {"max_words": 50}, "words 51 > 50"),
        ("not one word here is long", {}, None),
        ("it is an ox to me", {}, "mean_word_length 2 < 3"),
        ("extraordinarily longwinded", {}, "mean_word_length 12.5 > 10"),
        (distinct(9) + " #", {}, None),
        (distinct(8) + " # #a", {"min_alphabetic_words": None}, "hashes_per_word 0.1818 > 0.1"),
        (distinct(8) + " ... …", {"min_alphabetic_words": None}, "ellipses_per_word 0.2 > 0.1"),
        ("\n".join(["• mate"] * 9 + ["mate"]), {"min_alphabetic_words": None}, None),
        ("- mate\n• mate", {"min_alphabetic_words": None}, "bullet_lines 1 > 0.9"),
        ("\n".join([distinct(9)] * 7 + [distinct(9) + "..."] * 3), {}, None),
        ("\n".join([distinct(9)] * 2 + [distinct(9) + "…"]), {}, "ellipsis_lines 0.3333 > 0.3"),
        (distinct(8) + " 1234 5678", {}, None),
        (distinct(7) + " 1234 5678 1", {}, "alphabetic_words 0.7 < 0.8"),
        ("The words of one kind", {"min_stop_words": 2}, None),
        ("The words there are three", {"min_stop_words": 2}, "stop_words 1 < 2"),
        ("the the the the", {"min_stop_words": 2}, "stop_words 1 < 2"),
    ],
)
def test_gopher_quality(text: str, settings: dict[str, Any], reason: str | None) -> None:
    assert quality(text, **settings) == reason


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        ("Die Katze und der Hund", "de", None),
        ("Die Katze und der Hund", "de-AT", None),
        ("Die Katze und der Hund", "en", "stop_words 0 < 2"),
        ("Die Katze und der Hund", "fi", None),  # no list, no rule
        ("人之初，性本善", "zh", None),
        ("春眠处处闻啼鸟", "zh", "stop_words 0 < 2"),
    ],
)
def test_stop_words_depend_on_the_language(text: str, language: str, reason: str | None) -> None:
    assert quality(text, language, min_stop_words=2) == reason


def test_chinese_is_counted_by_characters() -> None:
    poem = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
    assert quality(poem, "zh", min_words=20) is None
    assert quality(poem, "zh", min_words=21) == "words 20 < 21"
