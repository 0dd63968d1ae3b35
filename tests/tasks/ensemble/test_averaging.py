"""Specifies the average of several models' probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from textmill.tasks.ensemble.averaging import MAX_WEIGHT, average, fit_weights


def test_one_model_with_weight_one_is_unchanged() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    np.testing.assert_allclose(average([scores], [1.0]), scores)


def test_the_average_is_the_normalised_product_of_powers() -> None:
    one, other = np.array([0.8, 0.2]), np.array([0.5, 0.5])
    np.testing.assert_allclose(average([one, other], [0.5, 0.5]), [2 / 3, 1 / 3])
    np.testing.assert_allclose(average([one, 1 - one], [1.0, 1.0]), [0.5, 0.5])


def test_no_model_can_exclude_a_label_on_its_own() -> None:
    certain, other = np.array([1.0, 0.0]), np.array([0.01, 0.99])
    assert average([certain, other], [0.05, 1.0]).argmax() == 1
    assert np.isfinite(average([certain, 1 - certain], [1.0, 1.0])).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_model_that_knows_nothing_gets_less_weight(order: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(2, size=400)
    knows = np.where(targets[:, None] == np.arange(2), 0.8, 0.2)
    knows[::10] = knows[::10, ::-1]  # wrong in a tenth
    guesses = rng.dirichlet((1, 1), size=400)
    models = [knows, guesses]
    weights = fit_weights([models[i] for i in order], targets)
    assert weights[order[0]] > 1.2  # as it is right in 90 % and says 80 %
    assert weights[order[1]] < 0.2


def test_the_weight_of_one_model_is_the_inverse_of_its_temperature() -> None:
    """Which is that of the logits with the lowest cross-entropy, by a search."""
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(2000, 4))  # three times too sure
    targets = np.array([rng.choice(4, p=np.exp(row / 3) / np.exp(row / 3).sum()) for row in logits])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    (weight,) = fit_weights([p], targets)

    def loss(temperature: float) -> float:
        scaled = np.exp(logits / temperature)
        own = scaled[np.arange(2000), targets] / scaled.sum(axis=1)
        return float(-np.log(own).mean())

    best = min(np.arange(1.0, 5.0, 0.01), key=loss)
    assert 1 / weight == pytest.approx(best, abs=0.03)
    assert 1 / weight == pytest.approx(3, abs=0.2)
    expected = np.exp(logits * weight) / np.exp(logits * weight).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(average([p], [weight]), expected, atol=1e-6)


def test_a_model_that_knows_nothing_keeps_its_answers() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8]] * 50)
    (weight,) = fit_weights([scores], np.array([1, 0] * 50))
    assert weight > 0
    assert average([scores], [weight]).argmax(axis=1).tolist() == [0, 1] * 50


def test_the_weights_of_a_few_examples_stay_moderate() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8]])
    weights = fit_weights([scores, scores], np.array([0, 1]))
    assert 0.5 < max(weights) < 1.0 < MAX_WEIGHT
