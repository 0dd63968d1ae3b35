"""Asserts recall and precision on texts labelled by hand, before the patterns were written.

The set is small: one wrong finding of twenty is five per cent. It says that the forms that people
write are covered, and not how often a rare look-alike is hit in a web crawl.
"""

from __future__ import annotations

import pytest

from tests.safety.labelled import Labelled, Score, read_labelled, scores
from textmill.config import RedactionConfig
from textmill.safety.placeholders import PLACEHOLDERS

LANGUAGES = ("en", "de", "zh")
FLOORS = dict.fromkeys(PLACEHOLDERS, (0.98, 0.95)) | {
    # A telephone number has no check digit: 2023-000154 is one of a town in Germany.
    "phone": (0.98, 0.88)
}


@pytest.fixture(scope="module")
def labelled() -> list[Labelled]:
    return read_labelled()


@pytest.fixture(scope="module")
def score_of(labelled: list[Labelled]) -> dict[tuple[str, str], Score]:
    return scores(labelled, RedactionConfig())


@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_there_are_enough_texts_of_each_kind(labelled: list[Labelled], kind: str) -> None:
    texts = [item for item in labelled if item.kind == kind]
    assert len({item.text for item in texts}) == len(texts)
    assert sum(bool(item.places) for item in texts) >= 15
    assert sum(not item.places for item in texts) >= 15
    assert {item.language for item in texts if item.places} == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_recall_and_precision_by_kind_and_language(
    score_of: dict[tuple[str, str], Score], kind: str, language: str
) -> None:
    score = score_of[kind, language]
    recall, precision = FLOORS[kind]
    assert score.recall >= recall
    assert score.precision >= precision
