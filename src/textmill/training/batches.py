"""Deterministic batches: their content depends only on the seed and their index."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from textmill.corpus.tokens.tokenizer import PAD_ID
from textmill.training.objectives import Batch

Order = Callable[[int], Sequence[Sequence[int]]]
"""Maps the number of an epoch to its batches, each a list of example indices."""
Collate = Callable[[Sequence[int]], Batch]
"""Maps example indices to their batch."""
MakeBatch = Callable[[Sequence[int], int], Batch]
"""Maps example indices and the number of a training micro-batch to that batch."""

MIN_EPOCH_EXAMPLES = 2**13
"""Minimum examples in an epoch of `mixed`: the precision of the shares is its inverse."""

MAX_POOL, MIN_POOLS = 64, 4
"""Of `by_length`: maximum batches in a pool of examples, and minimum number of pools if there are
as many batches."""


class BatchStream:
    """One device's micro-batches, from any optimizer step to the last.

    The number of optimizer steps determines the position in the data: nothing else has to be saved
    for an exact resume. A step may span the end of an epoch; the last one has fewer micro-batches
    if they do not divide evenly.

    Every micro-batch carries the `n_targets` of all micro-batches of this device in its step: the
    loss is the mean over all targets of the step, not the mean of the micro-batches' means.

    Args:
        order: returns each epoch's micro-batches; all epochs have the same number.
        make: returns a micro-batch with its `n_targets`, from example indices and its number.
        n_batches: micro-batches of the whole training, over all devices.
        accumulate: micro-batches per optimizer step, over all devices.
        first_step: the optimizer step to start from.
        device: rank of this device; devices take micro-batches in turn.
        n_devices: number of devices.
    """

    def __init__(
        self,
        order: Order,
        make: MakeBatch,
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
    """Return the number of optimizer steps for n_batches micro-batches, the last may be partial."""
    return -(-n_batches // accumulate)


class Batches:
    """A fixed sequence of batches, collated on each iteration."""

    def __init__(self, indices: Sequence[Sequence[int]], collate: Collate) -> None:
        self.indices = indices
        self.collate = collate

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Batch]:
        return map(self.collate, self.indices)


def shuffled(n: int, batch_size: int, seed: int) -> Order:
    """Return an order that reshuffles n examples every epoch and drops the incomplete last batch.

    No example is dropped for good: each epoch drops others.
    """
    batch_size = min(batch_size, n)
    n_batches = n // batch_size

    def order(epoch: int) -> Sequence[Sequence[int]]:
        indices = np.random.default_rng([seed, epoch]).permutation(n)
        return indices[: n_batches * batch_size].reshape(n_batches, batch_size).tolist()

    return order


def mixed(groups: Sequence[range], shares: Sequence[float], batch_size: int, seed: int) -> Order:
    """Return an order that samples groups of examples in fixed shares, independent of their size.

    The groups are interleaved so that the shares hold over any range of batches, not only on
    average. Every pass over a group is reshuffled, and draws each of its examples once. An epoch is
    a fixed number of batches.

    Args:
        groups: the examples of each group.
        shares: the share of each group in the examples drawn; they sum to 1.
        batch_size: examples per batch.
        seed: seed of the order within groups and batches.
    """
    n_batches = -(-max(sum(map(len, groups)), MIN_EPOCH_EXAMPLES) // batch_size)
    # Rounding the cumulative shares keeps the total exact.
    ends = np.rint(np.cumsum([0, *shares]) * n_batches * batch_size).astype(np.int64)
    counts = np.diff(ends)
    # Each group's draws are spread over an epoch: the k-th of n is due at (k + 1/2) / n.
    due = np.concatenate([(np.arange(n) + 0.5) / n for n in counts if n])
    turns = np.repeat(np.arange(len(groups)), counts)[np.argsort(due, kind="stable")]

    def order(epoch: int) -> Sequence[Sequence[int]]:
        indices = np.empty(len(turns), np.int64)
        for number, (group, n) in enumerate(zip(groups, counts.tolist(), strict=True)):
            indices[turns == number] = _draw_passes(group, epoch * n, n, [seed, number])
        # Otherwise a group could always have the same rows, which objectives may treat differently.
        rows = indices.reshape(n_batches, batch_size)
        batches: list[list[int]] = (
            np.random.default_rng([seed, epoch]).permuted(rows, axis=1).tolist()
        )
        return batches

    return order


def _draw_passes(group: range, start: int, n: int, seed: Sequence[int]) -> NDArray[np.int64]:
    """Return n examples from consecutive passes over a group, each shuffled by its index."""
    if not n:
        return np.empty(0, np.int64)
    first, last = start // len(group), (start + n - 1) // len(group)
    shuffled = [
        np.random.default_rng([*seed, number]).permutation(group)
        for number in range(first, last + 1)
    ]
    at = start - first * len(group)
    return np.concatenate(shuffled)[at : at + n]


def by_length(lengths: Sequence[int], batch_size: int, seed: int) -> Order:
    """Return an order whose batches have examples of similar length, to reduce padding.

    Each epoch is shuffled and sorted by length within pools of batches, then the batches are
    shuffled; every example is drawn once per epoch. There are several pools, as the batches of a
    single one would have nearly the same examples in every epoch.
    """
    tokens = np.asarray(lengths)
    pool = batch_size * max(1, min(MAX_POOL, len(tokens) // (MIN_POOLS * batch_size)))

    def order(epoch: int) -> Sequence[Sequence[int]]:
        rng = np.random.default_rng([seed, epoch])
        indices = rng.permutation(len(tokens))
        pools = [indices[at : at + pool] for at in range(0, len(indices), pool)]
        ordered = np.concatenate([p[np.argsort(tokens[p], kind="stable")] for p in pools])
        batches = [
            ordered[at : at + batch_size].tolist() for at in range(0, len(ordered), batch_size)
        ]
        return [batches[i] for i in rng.permutation(len(batches))]

    return order


def longest_first(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Yield the indices of batches of similar lengths, the longest ones first.

    Args:
        lengths: in tokens; equal ones keep their order.
        max_tokens: maximum tokens of a batch, padding included, unless a single row has more.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > max_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def in_order(n: int, batch_size: int) -> list[list[int]]:
    """Return the indices below n in consecutive batches."""
    return [list(range(at, min(n, at + batch_size))) for at in range(0, n, batch_size)]


def to_tensors(arrays: dict[str, np.ndarray]) -> Batch:
    """Return the arrays as tensors that share their memory."""
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def pin_memory(batch: Batch) -> Batch:
    """Return a batch in pinned memory, which is copied to a GPU asynchronously."""
    return {name: tensor.pin_memory() for name, tensor in batch.items()}


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return a batch on a device."""
    return {name: tensor.to(device) for name, tensor in batch.items()}


def pad(rows: Sequence[Sequence[int]]) -> Batch:
    """Return rows of token ids padded to the longest: input_ids and documents, (B, T) each.

    documents is 0 on tokens and -1 on padding.
    """
    width = max(len(ids) for ids in rows)
    input_ids = torch.full((len(rows), width), PAD_ID)
    documents = torch.full((len(rows), width), -1, dtype=torch.int32)
    for row, ids in enumerate(rows):
        input_ids[row, : len(ids)] = torch.tensor(ids)
        documents[row, : len(ids)] = 0
    return {"input_ids": input_ids, "documents": documents}
