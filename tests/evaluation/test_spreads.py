"""Specifies scores over seeds: recorded beside the model's, and read again."""

from __future__ import annotations

from math import sqrt

import pytest

from textmill.evaluation.spreads import (
    FOLDS,
    SEEDS,
    Spread,
    deviation_of_trainings,
    read_spreads,
    spread_metrics,
)

SCORES = {
    "network": {"accuracy": 0.8, "f1_macro": 0.5, "class/a/f1": 0.1},
    "network-2": {"accuracy": 0.9, "f1_macro": 0.5, "class/a/f1": 0.2},
    "network-3": {"accuracy": 0.7, "f1_macro": 0.5, "class/a/f1": 0.3},
}


def test_each_score_has_those_of_all_networks_their_mean_and_deviation() -> None:
    assert spread_metrics(["accuracy"], SCORES, SEEDS) == pytest.approx(
        {
            "seeds/accuracy/network": 0.8,
            "seeds/accuracy/network-2": 0.9,
            "seeds/accuracy/network-3": 0.7,
            "seeds/accuracy/mean": 0.8,
            "seeds/accuracy/deviation": 0.1,
        }
    )


def test_a_single_network_has_no_scores_over_seeds() -> None:
    assert spread_metrics(["accuracy"], {"network": {"accuracy": 0.8}}, SEEDS) == {}
    assert spread_metrics(["accuracy"], {}, SEEDS) == {}
    assert read_spreads({"accuracy": 0.8, "class/mean/f1": 0.5}, SEEDS) == {}


def test_spreads_are_read_from_the_metrics_of_an_evaluation() -> None:
    metrics = {
        "accuracy": 0.85,
        "class/a/f1": 0.2,
        **spread_metrics(["accuracy", "f1_macro"], SCORES, SEEDS),
    }
    found = read_spreads(metrics, SEEDS)
    assert {*found} == {"accuracy", "f1_macro"}
    spread = found["accuracy"]
    assert (spread.mean, spread.deviation, spread.n) == (pytest.approx(0.8), pytest.approx(0.1), 3)
    assert str(spread) == "0.800 ± 0.100"
    assert found["f1_macro"] == Spread(0.5, 0.0, 3)


def test_an_average_varies_less_than_its_networks() -> None:
    assert Spread(0.8, 0.1, 4).deviation_of_average == 0.05
    assert Spread(0.8, 0.1, 2).deviation_of_average == pytest.approx(0.1 / sqrt(2))


def test_scores_of_folds_are_read_apart_from_those_of_seeds() -> None:
    folds = {f"fold-{n}": {"accuracy": n / 10} for n in (7, 8, 9)}
    metrics = spread_metrics(["accuracy"], folds, FOLDS)
    assert metrics["folds/accuracy/fold-7"] == 0.7
    assert read_spreads(metrics, SEEDS) == {}
    found = read_spreads(metrics, FOLDS)["accuracy"]
    assert (found.mean, found.deviation, found.n) == (pytest.approx(0.8), pytest.approx(0.1), 3)


def test_the_variance_of_samples_is_no_variance_of_trainings() -> None:
    assert deviation_of_trainings(0.05, [0.03, 0.03]) == pytest.approx(0.04)
    assert deviation_of_trainings(0.05, [0.01, 0.07]) == 0.0
    assert deviation_of_trainings(0.05, [0.0, float("inf")]) == 0.0
