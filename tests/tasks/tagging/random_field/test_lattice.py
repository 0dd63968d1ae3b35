"""Specifies the sums over sequences of tags, by enumeration and by the network's random field."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from textmill.tasks.tagging.iob2 import OUTSIDE, can_follow, tags_of
from textmill.tasks.tagging.random_field.crf import ConditionalRandomField
from textmill.tasks.tagging.random_field.lattice import Lattice

TAGS = tags_of(["A", "B"])
LENGTHS = [2, 0, 4, 1, 4]


def drawn(scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    n = len(TAGS)
    return scale * rng.normal(size=(sum(LENGTHS), n)), scale * rng.normal(size=(n, n))


def test_sums_are_those_of_all_valid_sequences() -> None:
    scores, pairs = drawn()
    log_partition, expected = 0.0, np.zeros(pairs.shape)
    marginals, at = np.zeros(scores.shape), 0
    for length in LENGTHS:
        weights = {}
        for tags in product(range(len(TAGS)), repeat=length):
            before = (TAGS.index(OUTSIDE), *tags)
            steps = [*zip(before, tags, strict=False)]
            if all(can_follow(TAGS[one], TAGS[other]) for one, other in steps):
                total = sum(scores[at + word, tag] for word, tag in enumerate(tags))
                weights[tags] = np.exp(total + sum(pairs[step] for step in steps))
        normalizer = sum(weights.values())
        log_partition += np.log(normalizer)
        for tags, weight in weights.items():
            for word, tag in enumerate(tags):
                marginals[at + word, tag] += weight / normalizer
            for step in zip((TAGS.index(OUTSIDE), *tags), tags, strict=False):
                expected[step] += weight / normalizer
        at += length
    lattice = Lattice(LENGTHS)
    found = lattice.sums(scores[lattice.rows], pairs, TAGS)
    assert found.log_partition == pytest.approx(log_partition)
    np.testing.assert_allclose(found.marginals, marginals[lattice.rows], atol=1e-12)
    np.testing.assert_allclose(found.pairs, expected, atol=1e-12)


def test_probabilities_are_those_of_the_networks_field() -> None:
    scores, pairs = drawn()
    field = ConditionalRandomField(TAGS).double()
    field.pairs.data = torch.from_numpy(pairs)
    lattice = Lattice([len(scores)])
    expected = field.log_probabilities(torch.from_numpy(scores)[None], torch.tensor([len(scores)]))
    found = lattice.sums(scores, pairs, TAGS).marginals
    np.testing.assert_allclose(found, expected[0].exp().detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("scale", [1e2, 1e5])
def test_extreme_scores_give_probabilities(scale: float) -> None:
    scores, pairs = drawn(scale)
    lattice = Lattice(LENGTHS)
    marginals = lattice.sums(scores[lattice.rows], pairs, TAGS).marginals
    np.testing.assert_allclose(marginals.sum(axis=1), 1.0)


@pytest.mark.parametrize("lengths", [[], [0, 0]])
def test_texts_without_words_have_no_sums(lengths: list[int]) -> None:
    scores, pairs = drawn()
    found = Lattice(lengths).sums(scores[:0], pairs, TAGS)
    assert (found.log_partition, found.marginals.shape) == (0.0, (0, len(TAGS)))
