"""Specifies bin packing: the bins of plain best fit decreasing, in the time of a sort."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.corpus.tokens.best_fit import Bins, best_fit

CAPACITY = 30


def one_by_one(sizes: list[int], capacity: int) -> list[list[int]]:
    """Best fit decreasing as it is defined; of bins that fit as well, the newest is taken."""
    bins: list[list[int]] = []
    rooms: list[tuple[int, int, int]] = []  # room, how new, bin
    for turn, item in enumerate(sorted(range(len(sizes)), key=lambda i: -sizes[i])):
        fitting = [entry for entry in rooms if entry[0] >= sizes[item]]
        entry = min(fitting, default=(capacity, 0, len(bins)))
        if entry in rooms:
            rooms.remove(entry)
        else:
            bins.append([])
        bins[entry[2]].append(item)
        rooms.append((entry[0] - sizes[item], -turn, entry[2]))
    return bins


def as_lists(bins: Bins) -> list[list[int]]:
    return [
        bins.items[start:end].tolist() for start, end in zip(bins.starts, bins.ends, strict=True)
    ]


@settings(deadline=None)
@given(
    sizes=st.one_of(
        st.lists(st.integers(1, CAPACITY), min_size=1, max_size=60),
        st.lists(st.integers(1, 4), min_size=1, max_size=60),
        st.lists(st.sampled_from([7, 8, 15, 22, 23]), min_size=1, max_size=60),
    )
)
def test_the_bins_are_those_of_placing_one_item_after_the_other(sizes: list[int]) -> None:
    assert as_lists(best_fit(np.array(sizes), CAPACITY)) == one_by_one(sizes, CAPACITY)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, CAPACITY), min_size=1, max_size=60))
def test_no_bin_is_too_full_and_few_more_than_needed_are_made(sizes: list[int]) -> None:
    bins = best_fit(np.array(sizes), CAPACITY)
    full = np.add.reduceat(np.array(sizes)[bins.items], bins.starts)
    assert sorted(bins.items.tolist()) == list(range(len(sizes)))
    assert full.max() <= CAPACITY
    # First and best fit leave no two bins whose contents fit into one.
    assert len(full) == 1 or sum(sorted(full.tolist())[:2]) > CAPACITY


def test_mixed_lengths_leave_little_room() -> None:
    lengths = np.random.default_rng(0).lognormal(3, 1, 2000).astype(int).clip(1, 128)
    assert lengths.sum() / (128 * len(best_fit(lengths, 128).ends)) > 0.98


def test_a_million_items_are_packed_in_less_than_two_seconds() -> None:
    lengths = np.random.default_rng(0).lognormal(4, 0.8, 1_000_000).astype(np.int32).clip(1, 512)
    started_s = time.process_time()
    best_fit(lengths, 512)
    assert time.process_time() - started_s < 2  # placing them one by one took four


def test_no_items_need_no_bins() -> None:
    assert as_lists(best_fit(np.empty(0, np.int32), 8)) == []
