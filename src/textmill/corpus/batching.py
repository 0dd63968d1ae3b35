"""Batches of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def batches(
    items: Iterable[Item], size: Callable[[Item], int], max_size: int, max_items: int
) -> Iterator[list[Item]]:
    """Yield lists of items that end when their total size or their number reaches the maximum."""
    batch: list[Item] = []
    total = 0
    for item in items:
        batch.append(item)
        total += size(item)
        if total >= max_size or len(batch) >= max_items:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch
