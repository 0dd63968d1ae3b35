"""Specifies Gopher's repetition rules: a text just on either side of each threshold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.corpus.cleaning.filters.prose import WORDS, distinct
from textmill.config import GopherRepetitionConfig
from textmill.corpus.cleaning.filters.gopher_repetition import gopher_repetition
from textmill.corpus.cleaning.filters.measures import measure


def repetition(text: str, **settings: Any) -> str | None:
    config = GopherRepetitionConfig.model_validate(settings)
    (measures,) = measure([text], list(config.top_ngrams), list(config.duplicate_ngrams))
    return gopher_repetition(text, measures, config)


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
