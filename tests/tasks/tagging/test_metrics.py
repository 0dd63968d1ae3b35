"""Specifies the metrics of a tagging task, against seqeval and by hand."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import classification_report as seqeval_report
from seqeval.scheme import IOB2

from textmill.tasks.tagging.iob2 import best_tags, spans, tags_of
from textmill.tasks.tagging.metrics import METRICS, score, signatures
from textmill.tasks.tagging.settings import TaggingConfig

CONFIG = TaggingConfig(kind="tagging", name="ner", train="a", test="b")


def scored(predictions: list[list[str]], references: list[list[str]]) -> dict[str, float]:
    pairs = zip(predictions, references, strict=True)
    return score(CONFIG, [{"tags": guess, "reference": true} for guess, true in pairs])


def test_every_metric_has_a_signature_with_a_version() -> None:
    signed = signatures(CONFIG)
    assert signed.keys() == {metric.name for metric in METRICS}
    assert all("version:" in signature for signature in signed.values())


def test_entities_by_hand() -> None:
    references = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"]]
    predictions = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC", "B-LOC"]]
    # Four guesses, of which (PER, 0-2) and (LOC, 0-1) are right; three entities.
    scores = scored(predictions, references)
    assert scores["precision"] == pytest.approx(2 / 4)
    assert scores["recall"] == pytest.approx(2 / 3)
    assert scores["f1"] == pytest.approx(4 / 7)
    assert scores["type/PER/precision"] == pytest.approx(1 / 2)
    assert scores["type/LOC/recall"] == pytest.approx(1 / 2)


def test_a_continuation_without_a_beginning_is_no_entity() -> None:
    assert scored([["O", "I-PER"]], [["O", "B-PER"]])["f1"] == 0.0


def test_types_are_compared_as_they_are_spelt() -> None:
    types = ("A", "A-", "-A", "micro avg", "$x_$", "人名", "a/b")
    references = [[f"B-{name}"] for name in types]
    predictions = [["B-A"] for _ in types]
    scores = scored(predictions, references)
    assert scores["precision"] == scores["recall"] == pytest.approx(1 / 7)
    assert scores["type/A/recall"] == 1.0
    assert [scores[f"type/{name}/f1"] for name in types[1:]] == [0.0] * 6


TAG = st.sampled_from([f"{part}-{name}" for part in "BI" for name in ("PER", "LOC", "a b")] + ["O"])


@given(
    st.lists(
        st.integers(1, 6).flatmap(
            lambda n: st.tuples(*(st.lists(TAG, min_size=n, max_size=n) for _ in range(2)))
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_tags_score_as_by_seqeval_where_types_have_no_hyphens(
    pairs: list[tuple[list[str], list[str]]],
) -> None:
    predictions, references = [guess for guess, _ in pairs], [true for _, true in pairs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of seqeval, on texts without entities
        report = seqeval_report(
            references, predictions, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
        )
    scores = scored(predictions, references)
    rows = {"": report.pop("micro avg"), **{f"type/{name}/": row for name, row in report.items()}}
    for prefix, row in rows.items():
        if prefix not in ("type/macro avg/", "type/weighted avg/"):
            for name, key in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")):
                assert scores[f"{prefix}{name}"] == pytest.approx(row[key])


@pytest.mark.parametrize("seed", range(5))
def test_entities_equal_the_spans_counted_directly(seed: int) -> None:
    rng = random.Random(seed)
    tags = tags_of(["PER", "LOC", "ORG"])

    def draw() -> list[str]:
        return best_tags(np.array([[rng.gauss(0, 1) for _ in tags] for _ in range(12)]), tags)

    references, predictions = [draw() for _ in range(30)], [draw() for _ in range(30)]
    pairs = list(zip(predictions, references, strict=True))
    n_right = sum(len(set(spans(guess)) & set(spans(true))) for guess, true in pairs)
    n_found = sum(len(spans(guess)) for guess, _ in pairs)
    n_true = sum(len(spans(true)) for _, true in pairs)
    scores = scored(predictions, references)
    assert scores["precision"] == pytest.approx(n_right / n_found)
    assert scores["recall"] == pytest.approx(n_right / n_true)
