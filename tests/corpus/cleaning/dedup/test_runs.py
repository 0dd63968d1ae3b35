"""Specifies that the number of sorted runs is small, and that no entry is lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from textmill.corpus.cleaning.dedup.runs import add_run


@pytest.mark.parametrize("sizes", [[1] * 100, list(range(1, 60)), [64, 1, 1, 20, 3, 90]])
def test_each_run_is_more_than_twice_as_long_as_the_next(sizes: Sequence[int]) -> None:
    runs: list[list[int]] = []
    for number, size in enumerate(sizes):
        add_run(runs, [number] * size, lambda older, newer: older + newer)
        lengths = list(map(len, runs))
        assert all(longer > 2 * shorter for longer, shorter in pairwise(lengths))
    every = [entry for run in runs for entry in run]
    assert every == [number for number, size in enumerate(sizes) for _ in range(size)]
