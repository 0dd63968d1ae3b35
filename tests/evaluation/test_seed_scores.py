"""Specifies scores over seeds: recorded beside the model's, and read again."""

from __future__ import annotations

from math import sqrt

import pytest

from textmill.evaluation.seed_scores import Spread, read_spreads, seed_metrics

SCORES = {
    "network": {"accuracy": 0.8, "f1_macro": 0.5, "class/a/f1": 0.1},
    "network-2": {"accuracy": 0.9, "f1_macro": 0.5, "class/a/f1": 0.2},
    "network-3": {"accuracy": 0.7, "f1_macro": 0.5, "class/a/f1": 0.3},
}


def test_each_score_has_those_of_all_networks_their_mean_and_deviation() -> None:
    assert seed_metrics(["accuracy"], SCORES) == pytest.approx(
        {
            "seeds/accuracy/network": 0.8,
            "seeds/accuracy/network-2": 0.9,
            "seeds/accuracy/network-3": 0.7,
            "seeds/accuracy/mean": 0.8,
            "seeds/accuracy/deviation": 0.1,
        }
    )


def test_a_single_network_has_no_scores_over_seeds() -> None:
    assert seed_metrics(["accuracy"], {"network": {"accuracy": 0.8}}) == {}
    assert seed_metrics(["accuracy"], {}) == {}
    assert read_spreads({"accuracy": 0.8, "class/mean/f1": 0.5}) == {}


def test_spreads_are_read_from_the_metrics_of_an_evaluation() -> None:
    metrics = {
        "accuracy": 0.85,
        "class/a/f1": 0.2,
        **seed_metrics(["accuracy", "f1_macro"], SCORES),
    }
    found = read_spreads(metrics)
    assert {*found} == {"accuracy", "f1_macro"}
    spread = found["accuracy"]
    assert (spread.mean, spread.deviation, spread.n) == (pytest.approx(0.8), pytest.approx(0.1), 3)
    assert str(spread) == "0.800 ± 0.100"
    assert found["f1_macro"] == Spread(0.5, 0.0, 3)


def test_an_average_varies_less_than_its_networks() -> None:
    assert Spread(0.8, 0.1, 4).deviation_of_average == 0.05
    assert Spread(0.8, 0.1, 2).deviation_of_average == pytest.approx(0.1 / sqrt(2))
