"""Specifies how labels follow from their probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from textmill.tasks.ensemble.averaging import average, fit_weights, stack
from textmill.tasks.multilabel.answers import (
    THRESHOLDS,
    ThresholdCounts,
    answer,
    fit_decision,
    targets,
)
from textmill.tasks.multilabel.examples import Example, Spec

SPEC = Spec(("a", "b", "c"), False, (), (0.5, 0.3, 0.1))


def rows(*probabilities: float) -> np.ndarray:
    p = np.array(probabilities)
    return np.stack([1 - p, p], axis=1)


def test_a_text_has_the_labels_that_reach_the_threshold_the_likeliest_first() -> None:
    spec = replace(SPEC, threshold=0.25)
    first, second = answer(spec, [("t",), ("u",)], [rows(0.25, 0.9, 0.2), rows(0.1, 0.2, 0.0)])
    assert first == {
        "labels": [{"label": "b", "score": 0.9}, {"label": "a", "score": 0.25}],
        "is_cut": False,
    }
    assert second == {"labels": [], "is_cut": False}


def test_targets_say_for_each_label_whether_the_example_has_it() -> None:
    assert targets(SPEC, Example("t", ("a", "c"), "")) == [1, 0, 1]
    assert targets(SPEC, Example("t", (), "")) == [0, 0, 0]
    assert targets(SPEC, Example("t", ("b", "unknown"), "")) == [0, 1, 0]


def test_the_threshold_has_the_highest_micro_f1() -> None:
    rng = np.random.default_rng(0)
    is_label = rng.random((80, 3)) < [0.5, 0.3, 0.1]
    p = np.clip(0.3 * is_label + rng.normal(0.2, 0.15, (80, 3)), 0, 1)
    names = np.array(SPEC.labels)
    examples = [Example("t", tuple(names[row].tolist()), "") for row in is_label]
    fitted = fit_decision(SPEC, [rows(*row) for row in p], examples)
    scores = {t: f1_score(is_label, p >= t, average="micro") for t in THRESHOLDS}
    assert scores[fitted.threshold] == max(scores.values())
    counts = ThresholdCounts()
    for part in (slice(0, 30), slice(30, 80)):
        counts.add(p[part], is_label[part])
    assert counts.best() == (fitted.threshold, pytest.approx(max(scores.values())))


def test_of_equal_thresholds_the_nearest_to_a_half_is_taken() -> None:
    examples = [Example("t", ("a",), "")]
    assert fit_decision(SPEC, [rows(0.9, 0.1, 0.2)], examples).threshold == 0.5
    assert fit_decision(SPEC, [rows(0.9, 0.7, 0.2)], examples).threshold == 0.75
    assert fit_decision(SPEC, [], []).threshold == 0.5


def test_labels_are_averaged_each_by_itself() -> None:
    network, baseline = rows(0.9, 0.2, 0.6), rows(0.8, 0.1, 0.1)
    together = average([network, baseline], [1.0, 1.0])
    odds = network[:, 1] / network[:, 0] * baseline[:, 1] / baseline[:, 0]
    np.testing.assert_allclose(together[:, 1], odds / (1 + odds))
    scores = [stack([network] * 40), stack([baseline] * 40)]
    sure, unsure = fit_weights(scores, np.array([1, 0, 1] * 40))
    assert sure > unsure  # the third label is right in the first model alone
