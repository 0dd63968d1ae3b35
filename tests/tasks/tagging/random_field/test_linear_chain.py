"""Specifies the random field of the classical baseline: its likelihood, its fit and its arrays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.sparse import csr_matrix

from textmill.tasks.tagging.iob2 import OUTSIDE, tags_of
from textmill.tasks.tagging.random_field import linear_chain
from textmill.tasks.tagging.random_field.linear_chain import (
    Likelihood,
    LinearChain,
    fit_linear_chain,
)

TAGS = tags_of(["A"])
O, B, I = (TAGS.index(tag) for tag in (OUTSIDE, "B-A", "I-A"))  # noqa: E741


def one_hot(numbers: list[int], n_features: int) -> csr_matrix:
    """Words with one feature each."""
    ones = np.ones(len(numbers), np.float32)
    return csr_matrix((ones, numbers, np.arange(len(numbers) + 1)), (len(numbers), n_features))


def test_the_likelihood_of_two_words_is_computed_by_hand() -> None:
    """The first word scores 0.75 as a beginning, and its continuation, which is right, 0.25."""
    features, labels = one_hot([0, 1], 2), np.array([B, I])
    likelihood = Likelihood(features, [2], labels, TAGS)
    vector = np.zeros(likelihood.n_weights)
    weights, pairs = likelihood.parts(vector)
    weights[0, B], pairs[B, I] = 0.75, 0.25
    # O O and O B; B O and B B; B I.
    z = 2 + 2 * np.exp(0.75) + np.exp(1.0)
    prior = (0.75**2 + 0.25**2) / 2
    assert likelihood(vector)[0] == pytest.approx(np.log(z) - 1.0 + prior, rel=1e-6)


def test_the_gradient_is_that_of_the_likelihood() -> None:
    rng = np.random.default_rng(0)
    features = one_hot(rng.integers(0, 3, 7).tolist(), 3)
    likelihood = Likelihood(features, [3, 4], np.array([O, B, I, B, I, I, O]), TAGS)
    at = rng.normal(size=likelihood.n_weights)
    error = check_grad(lambda v: likelihood(v)[0], lambda v: likelihood(v)[1], at, epsilon=1e-3)
    assert error < 1e-2 * np.linalg.norm(likelihood(at)[1])


def test_a_tag_depends_on_the_tags_around_it() -> None:
    """The same word is inside an entity after a beginning, and outside otherwise."""
    features, labels = one_hot([0, 1] * 30 + [2, 1] * 30, 3), np.array([B, I] * 30 + [O, O] * 30)
    field, _, note = fit_linear_chain(features, [2] * 60, labels, TAGS)
    both = one_hot([0, 1, 2, 1], 3)
    found = [rows.argmax(axis=1).tolist() for rows in field.marginals(both, [2, 2], TAGS)]
    assert (found, note) == ([[B, I], [O, O]], "")


def test_probabilities_of_a_text_do_not_depend_on_the_texts_beside_it() -> None:
    rng = np.random.default_rng(1)
    field = LinearChain(*(rng.normal(size=(n, 3)).astype(np.float32) for n in (4, 3)))
    words, lengths = [0, 1, 2, 3, 2, 1], [1, 0, 5]
    first, empty, last = field.marginals(one_hot(words, 4), lengths, TAGS)
    assert empty.shape == (0, 3)
    np.testing.assert_allclose(first, field.marginals(one_hot(words[:1], 4), [1], TAGS)[0])
    np.testing.assert_allclose(last, field.marginals(one_hot(words[1:], 4), [5], TAGS)[0])


def test_the_most_frequent_features_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_chain, "MAX_WEIGHTS", 2 * len(TAGS))
    features, labels = one_hot([0, 1, 1, 2, 2, 2], 3), np.array([O] * 6)
    field, columns, note = fit_linear_chain(features, [6], labels, TAGS)
    assert (field.weights.shape, columns.tolist()) == ((2, 3), [1, 2])
    assert note == "on the 2 most frequent of 3 features to save memory"


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_arrays_that_do_not_fit_are_refused(value: float) -> None:
    arrays = LinearChain(np.zeros((4, 3), np.float32), np.zeros((3, 3), np.float32)).arrays()
    assert LinearChain.from_arrays(arrays, 4, 3).weights.shape == (4, 3)
    for n_features, n_tags in ((5, 3), (4, 5)):
        with pytest.raises(ValueError, match="instead of"):
            LinearChain.from_arrays(arrays, n_features, n_tags)
    with pytest.raises(ValueError, match="instead of"):
        LinearChain.from_arrays(arrays | {"pairs": np.zeros((3, 3), np.int64)}, 4, 3)
    with pytest.raises(LookupError):
        LinearChain.from_arrays({"weights": arrays["weights"]}, 4, 3)
    with pytest.raises(ValueError, match="too large"):
        LinearChain.from_arrays(arrays | {"pairs": np.full((3, 3), value, np.float32)}, 4, 3)
