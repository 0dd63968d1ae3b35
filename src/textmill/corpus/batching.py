"""Batches of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def batches(
    items: Iterable[Item], size: Callable[[Item], int], most: int, most_items: int
) -> Iterator[list[Item]]:
    """Yield the items in lists that end when their sizes or their number reach the most."""
    batch: list[Item] = []
    total = 0
    for item in items:
        batch.append(item)
        total += size(item)
        if total >= most or len(batch) >= most_items:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch
