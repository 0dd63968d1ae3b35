"""Specifies the drift of logged predictions: rare false alarms, and shifts that are found."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textmill.config import DriftConfig, TaskConfig
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.generation.settings import ResponseConfig
from textmill.tasks.logged.served_shift import Shift, drifted, known_traits, shifts
from textmill.tasks.logged.traits import Traits
from textmill.tasks.question_answering.settings import QuestionAnsweringConfig
from textmill.tasks.tagging.settings import TaggingConfig
from textmill.tasks.translation.settings import TranslationConfig

LABELS = ("sport", "money", "science", "world")
FILES = {"name": "mine", "train": "a.jsonl", "test": "b.jsonl"}


def answers(
    seed: int,
    n: int = 200,
    weights: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1),
    length: float = 60,
    sure: float = 8,
) -> list[Traits]:
    """Answers of a classifier to texts of random lengths."""
    rng = np.random.default_rng(seed)
    lengths = 1 + rng.gamma(2, length / 2, n).astype(int)
    labels, scores = rng.choice(LABELS, n, p=weights), rng.beta(sure, 2, n).round(2)
    return [
        Traits(input_length=int(length), label=str(label), confidence=float(score))
        for length, label, score in zip(lengths, labels, scores, strict=True)
    ]


def with_label_sets(rows: list[Traits]) -> list[Traits]:
    """The answers as those of a model that gives any number of labels."""
    return [
        replace(row, label=None, labels=frozenset({str(row.label)} - {"world"})) for row in rows
    ]


@pytest.mark.parametrize("n", [50, 1000])
def test_the_same_distribution_fires_in_fewer_than_one_of_a_hundred_checks(n: int) -> None:
    no_limits = DriftConfig(max_label_shift=0, max_ks_distance=0)  # significance alone
    known = answers(0, 300)
    found = [drifted(shifts(answers(seed, n), known, 50), no_limits) for seed in range(1, 101)]
    sets = [
        drifted(shifts(with_label_sets(answers(seed, n)), with_label_sets(known), 50), no_limits)
        for seed in range(1, 51)
    ]
    assert sum(map(bool, found)) <= 1
    assert sum(map(bool, sets)) <= 1


@pytest.mark.parametrize(
    ("changed", "what", "detail"),
    [
        ({"weights": (0.05, 0.3, 0.2, 0.45)}, "labels", r"(sport|world) \d+% instead of \d+%"),
        ({"length": 120}, "lengths of inputs", r"median [\d.]+ instead of [\d.]+"),
        ({"sure": 2}, "confidences", r"median 0\.\d+ instead of 0\.\d+"),
    ],
)
def test_what_shifts_is_found_and_nothing_else(
    changed: dict[str, Any], what: str, detail: str
) -> None:
    for seed in range(1, 21):
        [found] = drifted(shifts(answers(seed, **changed), answers(0, 400), 50), DriftConfig())
        assert found.what == what
        assert found.distance > 0.2
        assert found.p_value < 2e-4
        assert re.fullmatch(detail, found.detail)


def test_label_sets_that_shift_are_found() -> None:
    new = with_label_sets(answers(1, weights=(0.05, 0.3, 0.2, 0.45)))
    known = with_label_sets(answers(0, 400))
    assert [one.what for one in drifted(shifts(new, known, 50), DriftConfig())] == ["labels"]


def test_outputs_have_lengths_too() -> None:
    short, long = ([Traits(output_length=n % 7 + k) for n in range(60)] for k in (1, 5))
    [found] = drifted(shifts(long, short, 50), DriftConfig())
    assert (found.what, found.detail) == ("lengths of outputs", "median 8 instead of 4")


def test_distances_are_those_computed_by_hand() -> None:
    new = [Traits(label="a", input_length=1)] * 3 + [Traits(label="b", input_length=9)]
    known = [Traits(label="a", input_length=1), Traits(label="b", input_length=9)] * 2
    labels, lengths = shifts(new, known, 1)
    assert labels.distance == pytest.approx(0.25)
    assert lengths.distance == pytest.approx(0.25)
    assert labels.detail == "a 75% instead of 50%"
    # Of the divisions of 5 a and 3 b into 4 and 4, all but the even ones (3 a, 1 b and 2 a, 2 b
    # differ by 0.25) are further apart: P(distance >= 0.25) = 1.
    assert labels.p_value == 1


def test_few_rows_and_rows_without_a_trait_are_not_measured() -> None:
    assert shifts(answers(1, 49), answers(0), 50) == []
    assert shifts(answers(1), answers(0, 49), 50) == []
    early = [replace(row, input_length=None) for row in answers(1, 60)]
    assert [one.what for one in shifts(early, answers(0), 50)] == ["labels", "confidences"]


def test_a_significant_difference_below_the_limit_does_not_count() -> None:
    small, chance = Shift("labels", 0.15, 1e-9, ""), Shift("confidences", 0.5, 0.002, "")
    assert drifted([small, chance], DriftConfig()) == []
    assert drifted([small, chance], DriftConfig(max_label_shift=0.1)) == [small]


Case = tuple[TaskConfig, dict[str, Any], dict[str, Any], Traits]
CASES: dict[str, Case] = {
    "classification": (
        ClassificationConfig(kind="classification", **FILES),
        {"labels": ["a", "b"]},
        {"text": "a fine day", "reference": "b", "label": "a", "score": 0.5},
        Traits(8, None, "a", None, 0.5),
    ),
    "pairs": (
        ClassificationConfig(kind="classification", text_pair="other", **FILES),
        {"labels": ["a", "b"], "has_pairs": True},
        {"text": "a", "text_pair": "b c", "reference": "b", "label": "a", "score": 0.5},
        Traits(3, None, "a", None, 0.5),
    ),
    "tagging": (
        TaggingConfig(kind="tagging", **FILES),
        {"labels": ["O", "B-PER", "I-PER"], "is_by_character": False},
        {"tokens": ["Ann", "left", "."], "reference": ["B-PER", "O", "O"], "tags": ["O"] * 3},
        Traits(8, None, None, frozenset()),
    ),
    "question answering": (
        QuestionAnsweringConfig(kind="question_answering", **FILES),
        {"type_words": [], "common_words": [], "length_costs": [0.0], "has_no_answer": True},
        {"question": "Where?", "context": "in Rome", "reference": [], "start": 0, "end": 0},
        Traits(12, None, "no answer"),
    ),
    "translation": (
        TranslationConfig(kind="translation", **FILES),
        {"source_share": 0.5},
        {"text": "a tree", "reference": "ein Baum", "translation": "Baum"},
        Traits(5, 4),
    ),
    "generation": (
        ResponseConfig(kind="generation", **FILES),
        {"source_share": 0.5},
        {"prompt": "Where is it?", "reference": "There.", "response": "In a box."},
        Traits(10, 7),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_rows_of_an_evaluation_have_the_traits_of_what_is_served(
    tmp_path: Path, name: str
) -> None:
    task, spec, row, expected = CASES[name]
    model = {"kind": task.kind, "is_causal": False, "spec": spec}
    (tmp_path / "task.json").write_text(json.dumps(model))
    (tmp_path / "predictions.jsonl").write_text(json.dumps(row) + "\n")
    assert known_traits(task, tmp_path, tmp_path) == [expected]
