"""Asserts recall and precision on texts labelled by hand.

The sets are small: one wrong finding of twenty is five per cent. They say that the forms that
people write are covered, and not how often a rare look-alike is hit in a web crawl. Of the second
set, the floors are what was measured: it holds much that is not found.
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


PUBLIC = {
    "email": (0.75, 0.80),
    "phone": (0.86, 0.80),
    "ip": (0.89, 0.78),
    "card": (0.66, 0.95),
    "iban": (0.95, 0.99),
    "national_id": (0.81, 0.92),
    "access_key": (0.99, 0.99),
    "private_key": (0.50, 0.99),
    "url_credentials": (0.76, 0.99),
}
"""By kind, what is found of the examples of published documents, however they are written."""
DISGUISED = ("escaped", "typography")


@pytest.fixture(scope="module")
def public() -> dict[tuple[str, str], Score]:
    return scores(read_labelled("public"), RedactionConfig())


@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_recall_and_precision_on_published_examples(
    public: dict[tuple[str, str], Score], kind: str
) -> None:
    of_kind = [score for (name, _), score in public.items() if name == kind]
    counts = zip(*((one.expected, one.found, one.right) for one in of_kind), strict=True)
    total = Score(*map(sum, counts))
    recall, precision = PUBLIC[kind]
    assert total.recall >= recall
    assert total.precision >= precision


@pytest.mark.parametrize("kind", sorted(set(PLACEHOLDERS) - {"private_key"}))
def test_what_is_disguised_is_found_as_what_is_not(
    public: dict[tuple[str, str], Score], kind: str
) -> None:
    of_kind = [public[kind, form] for form in DISGUISED if (kind, form) in public]
    expected = sum(score.expected for score in of_kind)
    assert expected >= 2
    assert sum(score.right for score in of_kind) >= 0.85 * expected


def test_every_published_example_is_there_once() -> None:
    texts = [item.text for item in read_labelled("public")]
    assert len(set(texts)) == len(texts)
