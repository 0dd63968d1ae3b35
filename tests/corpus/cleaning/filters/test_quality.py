"""Specifies the quality filters: one text for each rule, just on either side of its threshold."""

from __future__ import annotations

import time
from typing import Any

import pytest

from textmill.config import (
    C4Config,
    FineWebConfig,
    GopherQualityConfig,
    GopherRepetitionConfig,
    QualityConfig,
)
from textmill.corpus.cleaning.filters.measures import measure
from textmill.corpus.cleaning.filters.quality import (
    c4,
    fineweb,
    gopher_quality,
    gopher_repetition,
    judge,
)

WORDS = [f"{a}{b}{c}r" for a in "bdfgklmnpst" for b in "aeiou" for c in "lmnst"]
PROSE = "The cat sat with the dog, and that was to be the end of it. "


def quality(text: str, language: str = "en", **settings: Any) -> str | None:
    (measures,) = measure([text], [], [])
    config = GopherQualityConfig.model_validate({"min_words": None, "min_stop_words": 0} | settings)
    return gopher_quality(text, measures, language, config)


def repetition(text: str, **settings: Any) -> str | None:
    config = GopherRepetitionConfig.model_validate(settings)
    (measures,) = measure([text], list(config.top_ngrams), list(config.duplicate_ngrams))
    return gopher_repetition(text, measures, config)


def distinct(n: int, begin: int = 0) -> str:
    return " ".join(WORDS[begin : begin + n])


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
def test_stop_words_are_those_of_the_language(text: str, language: str, reason: str | None) -> None:
    assert quality(text, language, min_stop_words=2) == reason


def test_chinese_is_counted_by_characters() -> None:
    poem = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
    assert quality(poem, "zh", min_words=20) is None
    assert quality(poem, "zh", min_words=21) == "words 20 < 21"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (distinct(200), None),
        ("\n".join([*(distinct(9, 9 * n) for n in range(7)), *["again"] * 3]), None),
        (
            "\n".join([*(distinct(9, 9 * n) for n in range(5)), *["again"] * 4]),
            "duplicate_lines 0.3333 > 0.3",  # and no duplicate paragraphs: it is one
        ),
        ("\n".join(["one line"] * 5 + ["another"]), "duplicate_lines 0.6667 > 0.3"),
        ("\n\n".join(["one line"] * 5 + ["another"]), "duplicate_paragraphs 0.6667 > 0.3"),
        (
            "\n".join([*(WORDS[:9]), distinct(20, 20), distinct(20, 20)]),
            "duplicate_line_chars 0.4057 > 0.2",
        ),
        ("more of " * 8 + distinct(20), "top_2_gram_chars"),
        (distinct(12) + " x " + distinct(12) + " y " + distinct(36, 40), "duplicate_5_gram_chars"),
    ],
)
def test_gopher_repetition(text: str, reason: str | None) -> None:
    found = repetition(text)
    assert (found or "")[: len(reason or "")] == (reason or "")
    assert (found is None) == (reason is None)


def test_c4_keeps_lines_that_are_sentences() -> None:
    text = (
        "Menu\n\nThis is a line of prose [1].\nThis line does not end\nToo short a line.\n"
        "Please enable JavaScript to see this page.\nWe use cookies on all of our pages.\n"
        "This one trails off into nothing...\nSo “this” is what he said: “It is enough.”\n"
        "这是一个完整的句子。还有一句！\n"
        + "x" * 1001
        + " is a word of many letters.\n"
        + "字" * 1001
        + "。"
    )
    kept, n_dropped, reason = c4(text, C4Config())
    assert kept.split("\n") == [
        "This is a line of prose .",
        "So “this” is what he said: “It is enough.”",
        "这是一个完整的句子。还有一句！",
        "字" * 1001 + "。",
    ]
    assert (n_dropped, reason) == (7, None)


@pytest.mark.parametrize(
    ("text", "settings", "reason"),
    [
        (PROSE * 2, {}, "sentences 2 < 3"),
        (PROSE * 3, {}, None),
        ("Is it? said he to Mr. J. Smith. He said: no!... And so it was.", {}, None),
        ("He said it to Mr. J. Smith of the U.S. house... twice.", {}, "sentences 1 < 3"),
        ("人之初，性本善。性相近，习相远。苟不教，性乃迁。", {}, None),
        (PROSE * 3 + "\nLorem Ipsum dolor", {}, "lorem ipsum"),
        (PROSE * 3 + "\nif (a) { b }", {}, "curly bracket"),
        (PROSE * 3 + "\nif (a) { b }", {"drop_curly_brackets": False}, None),
        (PROSE * 3 + "\nA Damn shame.", {"bad_words": ["damn"]}, "bad word 'damn'"),
        (PROSE * 3 + "\nThe damnation of Faust.", {"bad_words": ["damn"]}, None),
        (
            PROSE * 3 + "\nIt was Bloody hell.",
            {"bad_words": ["Bloody Hell"]},
            "bad word 'Bloody Hell'",
        ),
        (PROSE * 3 + "\n他妈的天气。", {"bad_words": ["他妈的"]}, "bad word '他妈的'"),
        (
            "no end here",
            {"drop_unterminated_lines": False, "min_sentences": 1, "min_line_words": 3},
            None,
        ),
    ],
)
def test_c4_drops_pages(text: str, settings: dict[str, Any], reason: str | None) -> None:
    assert c4(text, C4Config.model_validate(settings))[2] == reason


LINE = "A line that is longer than thirty characters"


@pytest.mark.parametrize(
    ("lines", "settings", "reason"),
    [
        ([f"{LINE} {n}." for n in range(3)] + [f"{LINE} {n}" for n in range(20)], {}, None),
        (
            [LINE + " at the end."] + [f"{LINE} {n}" for n in range(8)],
            {},
            "terminated_lines 0.1111 < 0.12",
        ),
        ([f"Short {n}." for n in range(2)] + [LINE + "."], {}, None),
        ([f"Short {n}." for n in range(3)] + [LINE + "."], {}, "short_lines 0.75 > 0.67"),
        ([LINE + "。", LINE + "！", "", LINE + "。"], {}, "duplicate_line_chars 0.3333 > 0.1"),
        (
            [f"{LINE} {n}." for n in range(9)],
            {"max_line_breaks_per_word": 0.05},
            "line_breaks_per_word 0.08889 > 0.05",
        ),
    ],
)
def test_fineweb(lines: list[str], settings: dict[str, Any], reason: str | None) -> None:
    assert fineweb("\n".join(lines), FineWebConfig.model_validate(settings)) == reason


def test_the_first_filter_that_drops_a_text_is_named_and_all_can_be_switched_off() -> None:
    texts = [PROSE * 20, "too short", PROSE + "\n" + distinct(60), distinct(100) + PROSE * 2]
    config = QualityConfig(enabled=True)
    judged = judge(texts, ["en"] * 4, config)
    assert [drop and drop[0] for _, drop, _ in judged] == [
        "gopher_repetition",
        "gopher_quality",
        "c4",
        "c4",
    ]
    assert judged[1][1] == ("gopher_quality", "words 2 < 50")
    off = {
        name: {"enabled": False}
        for name in ("gopher_quality", "gopher_repetition", "c4", "fineweb")
    }
    config = QualityConfig.model_validate({"enabled": True, **off})
    assert judge(texts, ["en"] * 4, config) == [(text, None, 0) for text in texts]


def test_lines_that_c4_drops_are_counted_and_gone_before_fineweb() -> None:
    text = "\n".join(
        f"The {WORDS[n]} of a {WORDS[n + 50]} was {WORDS[n + 100]} to the {WORDS[n + 150]} again."
        for n in range(12)
    )
    (kept,) = judge([text + "\nno end"], ["en"], QualityConfig(enabled=True))
    assert kept == (text, None, 1)


@pytest.mark.parametrize(
    "unit", ["a", "a ", "a. ", ".", "\n", "[", "你", "- ", "Mr. ", "...\n", "'"]
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    def seconds(n: int) -> float:
        text = unit * (n // len(unit))
        start = time.process_time()
        (measures,) = measure([text], [2], [5])
        gopher_quality(text, measures, "en", GopherQualityConfig())
        gopher_repetition(
            text, measures, GopherRepetitionConfig(top_ngrams={2: 0.2}, duplicate_ngrams={5: 0.15})
        )
        c4(text, C4Config())
        fineweb(text, FineWebConfig())
        return time.process_time() - start

    seconds(1000)
    assert seconds(400_000) < 20 * max(seconds(50_000), 0.01)  # 64 times, were it quadratic
