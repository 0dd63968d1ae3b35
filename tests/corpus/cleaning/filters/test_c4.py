"""Specifies C4's rules: which lines are removed, and which pages rejected."""

from __future__ import annotations

from typing import Any

import pytest

from tests.corpus.cleaning.filters.prose import PROSE
from textmill.config import C4Config
from textmill.corpus.cleaning.filters.c4 import c4


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
    kept, n_removed, reason = c4(text, C4Config())
    assert kept.split("\n") == [
        "This is a line of prose .",
        "So “this” is what he said: “It is enough.”",
        "这是一个完整的句子。还有一句！",
        "字" * 1001 + "。",
    ]
    assert (n_removed, reason) == (7, None)


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
def test_c4_rejects_pages(text: str, settings: dict[str, Any], reason: str | None) -> None:
    assert c4(text, C4Config.model_validate(settings))[2] == reason
