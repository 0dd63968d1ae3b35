"""Bin packing by best fit decreasing, vectorised for millions of items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.signedinteger]


@dataclass(frozen=True)
class Bins:
    """Assignment of items to bins."""

    items: NDArray[np.int64]
    """(n_items,): the items of the first bin, then those of the second, and so on."""
    ends: NDArray[np.int64]
    """(n_bins,): end of each bin in `items`."""

    @property
    def starts(self) -> NDArray[np.int64]:
        """(n_bins,): start of each bin in `items`."""
        return np.concatenate(([0], self.ends))[:-1]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(n_items,): the bin of each of `items`."""
        return np.repeat(np.arange(len(self.ends)), self.ends - self.starts)

    @classmethod
    def of(cls, numbers: NDArray[np.int64]) -> Self:
        """Return the bins from each item's bin number; bins keep the items' order."""
        return cls(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers)))


def best_fit(sizes: Integers, capacity: int) -> Bins:
    """Return the items packed into bins: the largest first, each into the fullest bin that fits.

    Best fit decreasing uses at most 11/9 of the minimum number of bins (Johnson et al. 1974). Items
    of one size are placed together, filling one bin after the other, so that only numpy operations
    are linear in the number of items.

    Args:
        sizes: (n_items,), from 1 to capacity.
        capacity: capacity of a bin.
    """
    order = np.argsort(_smallest(capacity - sizes, capacity), kind="stable")
    counts = np.bincount(sizes, minlength=capacity + 1)
    with_room = [_Stack() for _ in range(capacity + 1)]
    bin_of = np.empty(len(sizes), np.int64)  # of the items in that order
    n_bins = placed = 0
    for size in np.flatnonzero(counts)[::-1].tolist():
        end = placed + int(counts[size])
        for room in range(size, capacity + 1):
            if placed == end:
                break
            if not with_room[room].size and room < capacity:
                continue
            fit = room // size
            wanted = -(-(end - placed) // fit)
            chosen = with_room[room].pop(wanted)
            if room == capacity:  # only new bins have all their room
                chosen = np.arange(n_bins, n_bins + wanted)
                n_bins += wanted
            n_taken = min(end - placed, fit * len(chosen))
            bin_of[placed : placed + n_taken] = np.repeat(chosen, fit)[:n_taken]
            placed += n_taken
            in_last = n_taken - fit * (len(chosen) - 1)
            with_room[room - fit * size].push(chosen[:-1])
            with_room[room - in_last * size].push(chosen[-1:])
    bins = Bins.of(bin_of)
    return Bins(order[bins.items], bins.ends)


def _smallest(values: Integers, largest: int) -> NDArray[np.unsignedinteger]:
    """Return values in the smallest integer type, which numpy sorts fastest."""
    return values.astype(np.min_scalar_type(largest))


class _Stack:
    """A stack of numbers with bulk push and pop."""

    def __init__(self) -> None:
        self.size = 0
        self._chunks: list[NDArray[np.int64]] = []

    def push(self, numbers: NDArray[np.int64]) -> None:
        """Push numbers in order."""
        if len(numbers):
            self._chunks.append(numbers)
            self.size += len(numbers)

    def pop(self, n: int) -> NDArray[np.int64]:
        """Pop up to n numbers, the newest first."""
        taken: list[NDArray[np.int64]] = []
        left = min(n, self.size)
        self.size -= left
        while left:
            chunk = self._chunks.pop()
            if len(chunk) > left:
                self._chunks.append(chunk[:-left])
                chunk = chunk[-left:]
            taken.append(chunk[::-1])
            left -= len(chunk)
        return np.concatenate(taken) if taken else np.empty(0, np.int64)
