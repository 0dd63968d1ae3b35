"""Specifies batches: their content depends on the seed and their number alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
import torch

from textmill.training.batches import (
    Batches,
    BatchStream,
    Order,
    by_length,
    in_order,
    mixed,
    shuffled,
    to_tensors,
)
from textmill.training.objectives import Batch

LENGTHS = np.random.default_rng(1).integers(1, 100, 150).tolist()
ORDERS = {
    "shuffled": shuffled(50, 8, seed=3),
    "by length": by_length(LENGTHS[:50], 8, seed=3),
}
GROUPS = [range(5), range(5, 45), range(45, 50)]
STREAMS = ORDERS | {"mixed": mixed(GROUPS, [0.2, 0.7, 0.1], 8, seed=3)}


def collate(indices: Sequence[int]) -> Batch:
    return {"indices": torch.tensor(indices)}


def make(indices: Sequence[int], number: int) -> Batch:
    """Examples of which each has as many targets as its number says."""
    n_targets = torch.tensor(sum(indices))
    return {"indices": torch.tensor(indices), "n": torch.tensor(number), "n_targets": n_targets}


def taken(order: Order, start: int, number: int) -> list[list[int]]:
    stream = BatchStream(order, make, start + number, first_step=start)
    return [batch["indices"].tolist() for batch in stream]


def padding(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> int:
    return sum(
        max(lengths[i] for i in batch) * len(batch) - sum(lengths[i] for i in batch)
        for batch in batches
    )


@pytest.mark.parametrize("start", [0, 1, 5, 6, 7, 20, 1020, 1024])
@pytest.mark.parametrize("order", STREAMS.values(), ids=STREAMS)
def test_a_stream_begun_later_is_the_stream_without_its_first_batches(
    order: Order, start: int
) -> None:
    assert taken(order, start, 20) == taken(order, 0, start + 20)[start:]


@pytest.mark.parametrize("n_devices", [2, 3])
@pytest.mark.parametrize("order", STREAMS.values(), ids=STREAMS)
def test_devices_that_take_turns_share_out_the_stream(order: Order, n_devices: int) -> None:
    """And the targets of a step, which each counts its own of."""
    n = 2 * n_devices
    one = list(BatchStream(order, make, 5 * n, n, first_step=1))
    streams = [BatchStream(order, make, 5 * n, n, 1, d, n_devices) for d in range(n_devices)]
    in_turns = [batch for turn in zip(*streams, strict=True) for batch in turn]
    for batch, other in zip(in_turns, one, strict=True):
        assert torch.equal(batch["indices"], other["indices"])
        assert torch.equal(batch["n"], other["n"])
    counts = [batch["n_targets"] for batch in in_turns[:n_devices]]
    assert sum(counts) == one[0]["n_targets"]


@pytest.mark.parametrize("accumulate", [1, 3, 4, 30])
@pytest.mark.parametrize("order", STREAMS.values(), ids=STREAMS)
def test_each_micro_batch_has_the_targets_of_its_step(order: Order, accumulate: int) -> None:
    batches = list(BatchStream(order, make, 22, accumulate))
    assert [int(batch["n"]) for batch in batches] == list(range(22))
    for first in range(0, 22, accumulate):
        step = batches[first : first + accumulate]
        n_targets = sum(int(batch["indices"].sum()) for batch in step)
        assert [int(batch["n_targets"]) for batch in step] == [n_targets] * len(step)


@pytest.mark.parametrize("order", STREAMS.values(), ids=STREAMS)
def test_a_stream_can_be_read_twice(order: Order) -> None:
    stream = BatchStream(order, make, 12, first_step=3)
    first, second = ([b["indices"].tolist() for b in stream] for _ in range(2))
    assert len(first) == 9
    assert first == second


@pytest.mark.parametrize("order", STREAMS.values(), ids=STREAMS)
def test_epochs_differ_in_order_and_not_in_number(order: Order) -> None:
    assert order(0) != order(1)
    assert len(order(0)) == len(order(1))


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_no_example_comes_twice_in_an_epoch(order: Order) -> None:
    for epoch in range(3):
        indices = list(chain.from_iterable(order(epoch)))
        assert len(set(indices)) == len(indices)
        assert set(indices) <= set(range(50))


@pytest.mark.parametrize(
    ("n", "batch_size", "shape"), [(50, 8, (6, 8)), (48, 8, (6, 8)), (3, 8, (1, 3)), (1, 1, (1, 1))]
)
def test_shuffled_batches_are_full(n: int, batch_size: int, shape: tuple[int, int]) -> None:
    assert np.shape(shuffled(n, batch_size, seed=0)(0)) == shape


def test_examples_left_out_of_one_epoch_come_in_others() -> None:
    order = shuffled(50, 8, seed=0)
    assert set(chain.from_iterable(chain.from_iterable(map(order, range(5))))) == set(range(50))


@pytest.mark.parametrize("batch_size", [1, 7, 8, 150, 500])
def test_by_length_takes_every_example_once_an_epoch(batch_size: int) -> None:
    order = by_length(LENGTHS, batch_size, seed=0)
    for epoch in range(3):
        batches = order(epoch)
        assert sorted(chain.from_iterable(batches)) == list(range(150))
        assert max(map(len, batches)) <= batch_size


@pytest.mark.parametrize("shares", [[0.2, 0.7, 0.1], [0.001, 0.5, 0.499], [0.0, 0.0, 1.0]])
@pytest.mark.parametrize("batch_size", [1, 8, 50])
def test_shares_hold_in_every_stretch_of_batches(shares: list[float], batch_size: int) -> None:
    order = mixed(GROUPS, shares, batch_size, seed=0)
    numbers = np.array([0] * 5 + [1] * 40 + [2] * 5)
    drawn = numbers[list(chain.from_iterable([*order(0), *order(1)]))].ravel()
    for first, last in ((0, 2), (0, 20), (3, 8), (100, 160)):
        counts = np.bincount(drawn[first * batch_size : last * batch_size], minlength=3)
        expected = (last - first) * batch_size * np.array(shares)
        assert np.abs(counts - expected).max() <= 2  # a turn may come a little early or late
    assert np.bincount(drawn, minlength=3) / len(drawn) == pytest.approx(shares, abs=2e-4)


def test_a_small_group_has_its_share_in_each_batch_and_in_any_row() -> None:
    batches = mixed(GROUPS, [0.25, 0.5, 0.25], 8, seed=0)(0)
    rows = [[row for row, index in enumerate(batch) if index < 5] for batch in batches]
    assert {len(of_batch) for of_batch in rows} == {2}
    # An objective may treat the first rows differently.
    assert set(chain.from_iterable(rows)) == set(range(8))


def test_every_example_of_a_group_comes_once_before_one_comes_again() -> None:
    one_by_one = mixed(GROUPS, [0.2, 0.7, 0.1], 1, seed=3)
    drawn = list(chain.from_iterable(taken(one_by_one, 0, 20_000)))
    for group in GROUPS:
        inside = [index for index in drawn if index in group]
        passes = [inside[at : at + len(group)] for at in range(0, len(inside), len(group))]
        assert len(passes) > 300
        assert all(sorted(one) == list(group) for one in passes[:-1])
        assert any(one != passes[0] for one in passes[:-1])


@pytest.mark.parametrize(
    "make",
    [
        shuffled,
        lambda n, b, seed: by_length(LENGTHS[:n], b, seed),
        lambda n, b, seed: mixed([range(9), range(9, n)], [0.5, 0.5], b, seed),
    ],
)
def test_the_seed_decides(make: object) -> None:
    assert callable(make)
    assert make(100, 8, seed=1)(2) == make(100, 8, seed=1)(2)
    assert make(100, 8, seed=1)(2) != make(100, 8, seed=2)(2)


def test_by_length_pads_far_less_than_a_random_order() -> None:
    lengths = LENGTHS * 20
    random = shuffled(len(lengths), 10, seed=0)(0)
    assert padding(lengths, by_length(lengths, 10, seed=0)(0)) < 0.1 * padding(lengths, random)


def test_by_length_pads_less_than_a_random_order_of_little_data() -> None:
    random = shuffled(len(LENGTHS), 10, seed=0)(0)
    assert padding(LENGTHS, by_length(LENGTHS, 10, seed=0)(0)) < 0.5 * padding(LENGTHS, random)


def test_batches_by_length_have_other_examples_in_every_epoch() -> None:
    order = by_length(LENGTHS, 10, seed=0)
    first, second = ({*map(frozenset, order(epoch))} for epoch in (0, 1))
    assert not first & second


@pytest.mark.parametrize(
    ("n", "expected"), [(0, []), (2, [[0, 1]]), (7, [[0, 1, 2], [3, 4, 5], [6]])]
)
def test_in_order_counts_up(n: int, expected: list[list[int]]) -> None:
    assert in_order(n, 3) == expected


def test_batches_are_the_same_at_every_reading() -> None:
    batches = Batches([[3, 1], [2]], collate)
    assert len(batches) == 2
    for _ in range(2):
        assert [batch["indices"].tolist() for batch in batches] == [[3, 1], [2]]


def test_tensors_share_the_memory_of_their_arrays() -> None:
    array = np.zeros(3, np.int64)
    tensor = to_tensors({"ids": array})["ids"]
    array[1] = 7
    assert tensor.tolist() == [0, 7, 0]
