"""Specifies the subsets of a learning curve: nested, with all labels in the same proportions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from textmill.config import CurveConfig
from textmill.errors import InputError
from textmill.tasks.curve.subsets import ranked, sizes_of, subset

EXAMPLES = [(number, label) for number, label in enumerate("a" * 600 + "b" * 300 + "c" * 99 + "d")]


def label_of(example: tuple[int, str]) -> str:
    return example[1]


def drawn(size: int, seed: int = 0, stratum: Any = label_of) -> list[tuple[int, str]]:
    return subset(EXAMPLES, ranked(EXAMPLES, stratum, seed), size)


@pytest.mark.parametrize("stratum", [label_of, None])
def test_a_subset_contains_all_smaller_ones_in_the_order_of_the_file(stratum: Any) -> None:
    smaller: set[tuple[int, str]] = set()
    for size in (4, 5, 50, 333, 1000):
        chosen = drawn(size, stratum=stratum)
        assert len(chosen) == size
        assert chosen == sorted(chosen)
        assert smaller <= {*chosen}
        smaller = {*chosen}
    assert smaller == {*EXAMPLES}


@pytest.mark.parametrize("size", [10, 50, 100, 500, 999])
def test_labels_have_the_proportions_of_the_whole(size: int) -> None:
    counts = Counter(label for _, label in drawn(size))
    for label, n in Counter(label for _, label in EXAMPLES).items():
        assert counts[label] == pytest.approx(max(1, size * n / 1000), abs=1.5), label


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_subset_contains_every_label(seed: int) -> None:
    assert Counter(label for _, label in drawn(4, seed)) == {"a": 1, "b": 1, "c": 1, "d": 1}


@pytest.mark.parametrize("stratum", [label_of, None])
def test_a_seed_draws_its_own_subset(stratum: Any) -> None:
    assert drawn(50, 0, stratum) == drawn(50, 0, stratum)
    assert drawn(50, 0, stratum) != drawn(50, 1, stratum)


def test_without_labels_a_subset_is_random() -> None:
    numbers = [number for number, _ in drawn(200, stratum=None)]
    assert sum(numbers) / len(numbers) == pytest.approx(500, abs=60)


@pytest.mark.parametrize(
    ("labels", "n", "expected"),
    [
        ((100, 500, 2000), 1000, [100, 500, 1000]),
        ((100, 500), 500, [100, 500]),
        ((), 7, [7]),
        ((2, 3), 900, [2, 3, 900]),
    ],
)
def test_sizes_that_the_task_does_not_have_are_left_out(
    labels: tuple[int, ...], n: int, expected: list[int]
) -> None:
    assert sizes_of(CurveConfig(labels=labels), "mood", EXAMPLES[:n], label_of) == expected


def test_a_training_set_below_the_smallest_size_is_refused() -> None:
    with pytest.raises(InputError, match=r"tasks.mood.curve.labels begins with 100, .* only 99 "):
        sizes_of(CurveConfig(), "mood", EXAMPLES[:99], label_of)


def test_fewer_examples_than_labels_are_refused() -> None:
    config = CurveConfig(labels=(3, 500))
    with pytest.raises(InputError, match=r"curve.labels begins with 3, fewer than the 4 labels"):
        sizes_of(config, "mood", EXAMPLES, label_of)
    assert sizes_of(config, "mood", EXAMPLES, None) == [3, 500, 1000]
