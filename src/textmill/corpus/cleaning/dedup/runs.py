"""A growing, memory-efficient index as a list of sorted runs (LSM tree).

Source: O'Neil et al. 1996 ("The Log-Structured Merge-Tree").
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import TypeVar

Run = TypeVar("Run", bound=Sized)


def add_run(runs: list[Run], new: Run, merge: Callable[[Run, Run], Run]) -> None:
    """Add a run, and merge runs until each is more than twice as long as the next.

    Args:
        runs: runs by descending length; modified in place.
        new: the new run.
        merge: merges an older and a newer run.
    """
    runs.append(new)
    while len(runs) > 1 and len(runs[-2]) <= 2 * len(runs[-1]):
        last = runs.pop()
        runs.append(merge(runs.pop(), last))
