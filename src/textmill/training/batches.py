"""Batches whose content depends on the seed and their number alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from textmill.corpus.tokens.tokenizer import PAD_ID
from textmill.training.objectives import Batch

Order = Callable[[int], Sequence[Sequence[int]]]
"""From the number of an epoch to its batches, each as indices of examples."""
Collate = Callable[[Sequence[int]], Batch]
"""From indices of examples to their batch."""
Make = Callable[[Sequence[int], int], Batch]
"""The same for a micro-batch of training, which may depend on its number too."""

MIN_EPOCH = 2**13
"""Examples in an epoch of `mixed` at least, so that shares can be met to that fraction."""


class BatchStream:
    """A device's micro-batches, optimizer step by optimizer step, from any step to the last.

    The position of a training run in its data is the number of steps it has taken: nothing else
    needs to be saved for an exact resume. A step may span the end of an epoch; the last one has
    fewer micro-batches where they do not divide evenly.

    Every micro-batch comes with the `n_targets` of all that this device has in its step: the loss
    is the mean over the step, and not over means that short texts would count as much in as long
    ones.

    Args:
        order: gives each epoch's micro-batches; every epoch has equally many.
        make: returns the micro-batch of some examples, given its number, with its `n_targets`.
        n_batches: micro-batches of the whole training, of all devices.
        accumulate: micro-batches in a step, of all devices.
        first_step: number of the step to begin with.
        device: number of this one among the devices, which take turns.
        n_devices: how many there are.
    """

    def __init__(
        self,
        order: Order,
        make: Make,
        n_batches: int,
        accumulate: int = 1,
        first_step: int = 0,
        device: int = 0,
        n_devices: int = 1,
    ) -> None:
        self.order = order
        self.make = make
        self.n_batches = n_batches
        self.accumulate = accumulate
        self.first_step = first_step
        self.turns = slice(device, None, n_devices)

    def __iter__(self) -> Iterator[Batch]:
        per_epoch = len(self.order(0))
        epoch, rows = -1, self.order(0)
        for step in itertools.count(self.first_step):
            first = step * self.accumulate
            numbers = range(first, min(first + self.accumulate, self.n_batches))[self.turns]
            if not numbers:
                return
            batches = []
            for number in numbers:
                if number // per_epoch != epoch:
                    epoch = number // per_epoch
                    rows = self.order(epoch)
                batches.append(self.make(rows[number % per_epoch], number))
            n_targets = torch.stack([batch["n_targets"] for batch in batches]).sum(0)
            yield from (batch | {"n_targets": n_targets} for batch in batches)


def n_steps(n_batches: int, accumulate: int) -> int:
    """Return how many optimizer steps some micro-batches are; the last may have fewer of them."""
    return -(-n_batches // accumulate)


class Batches:
    """A fixed sequence of batches, made anew each time they are read."""

    def __init__(self, indices: Sequence[Sequence[int]], collate: Collate) -> None:
        self.indices = indices
        self.collate = collate

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Batch]:
        return map(self.collate, self.indices)


def shuffled(n: int, batch_size: int, seed: int) -> Order:
    """Return an order that shuffles n examples anew each epoch; the last few wait their turn.

    An example left over when an epoch does not divide evenly is not lost to training: the next
    epoch's shuffle leaves others.
    """
    batch_size = min(batch_size, n)
    n_batches = n // batch_size

    def order(epoch: int) -> Sequence[Sequence[int]]:
        indices = np.random.default_rng([seed, epoch]).permutation(n)
        return indices[: n_batches * batch_size].reshape(n_batches, batch_size).tolist()

    return order


def mixed(groups: Sequence[range], shares: Sequence[float], batch_size: int, seed: int) -> Order:
    """Return an order that draws groups of examples in fixed shares, however large they are.

    The groups take turns so evenly that the shares hold in every stretch of batches, and not only
    in the mean. Within a group every example comes once before one comes again, in an order that is
    shuffled anew for each pass. An epoch here is a fixed number of batches.

    Args:
        groups: the examples of each.
        shares: of the examples drawn, one for each group; they sum to 1.
        batch_size: examples in a batch.
        seed: of the order in the groups and in the batches.
    """
    n_batches = -(-max(sum(map(len, groups)), MIN_EPOCH) // batch_size)
    # The rounded ends of shares laid end to end lose no example.
    ends = np.rint(np.cumsum([0, *shares]) * n_batches * batch_size).astype(np.int64)
    counts = np.diff(ends)
    # Each group's turns are spread over an epoch: the k-th of n is due at (k + 1/2) / n.
    due = np.concatenate([(np.arange(n) + 0.5) / n for n in counts if n])
    turns = np.repeat(np.arange(len(groups)), counts)[np.argsort(due, kind="stable")]

    def order(epoch: int) -> Sequence[Sequence[int]]:
        indices = np.empty(len(turns), np.int64)
        for number, (group, n) in enumerate(zip(groups, counts.tolist(), strict=True)):
            indices[turns == number] = _passes(group, epoch * n, n, [seed, number])
        # Else a group could always have the same rows, which an objective may treat differently.
        rows = indices.reshape(n_batches, batch_size)
        batches: list[list[int]] = (
            np.random.default_rng([seed, epoch]).permuted(rows, axis=1).tolist()
        )
        return batches

    return order


def _passes(group: range, start: int, n: int, seed: Sequence[int]) -> NDArray[np.int64]:
    """Return n examples from the endless passes over a group, each shuffled by its number."""
    if not n:
        return np.empty(0, np.int64)
    first, last = start // len(group), (start + n - 1) // len(group)
    shuffled = [
        np.random.default_rng([*seed, number]).permutation(group)
        for number in range(first, last + 1)
    ]
    at = start - first * len(group)
    return np.concatenate(shuffled)[at : at + n]


def by_length(lengths: Sequence[int], batch_size: int, seed: int, pool: int = 16) -> Order:
    """Return an order whose batches hold examples of like length, so that little is padded.

    Each epoch is shuffled, sorted by length within pools of some batches, and the batches are
    shuffled again; every example comes once an epoch.
    """
    tokens = np.asarray(lengths)

    def order(epoch: int) -> Sequence[Sequence[int]]:
        rng = np.random.default_rng([seed, epoch])
        indices = rng.permutation(len(tokens))
        pools = [
            indices[at : at + pool * batch_size] for at in range(0, len(indices), pool * batch_size)
        ]
        ordered = np.concatenate([p[np.argsort(tokens[p], kind="stable")] for p in pools])
        batches = [
            ordered[at : at + batch_size].tolist() for at in range(0, len(ordered), batch_size)
        ]
        return [batches[i] for i in rng.permutation(len(batches))]

    return order


def in_order(n: int, batch_size: int) -> list[list[int]]:
    """Return the numbers below n in consecutive batches."""
    return [list(range(at, min(n, at + batch_size))) for at in range(0, n, batch_size)]


def to_tensors(arrays: dict[str, np.ndarray]) -> Batch:
    """Return arrays as tensors that share their memory."""
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def pinned(batch: Batch) -> Batch:
    """Return a batch in memory that a GPU reads by itself, while it still computes the last one."""
    return {name: tensor.pin_memory() for name, tensor in batch.items()}


def pad(rows: Sequence[Sequence[int]]) -> Batch:
    """Return rows of token ids as a batch: input_ids and documents (B, T), as wide as the longest.

    documents is 0 on tokens and -1 on padding.
    """
    width = max(len(ids) for ids in rows)
    input_ids = torch.full((len(rows), width), PAD_ID)
    documents = torch.full((len(rows), width), -1, dtype=torch.int32)
    for row, ids in enumerate(rows):
        input_ids[row, : len(ids)] = torch.tensor(ids)
        documents[row, : len(ids)] = 0
    return {"input_ids": input_ids, "documents": documents}
