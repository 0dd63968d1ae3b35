"""Ids that were seen before, in little memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_RECENT = 1 << 15
_Halves = NDArray[np.uint64]


class SeenIds:
    """A set of ids of 16 bytes: 16 bytes of memory for each, where a set of Python takes 100.

    The newest are in a set. Older ones are in sorted arrays, merged so that there are few of them
    (a log-structured merge tree).
    """

    def __init__(self) -> None:
        self._recent: set[bytes] = set()
        self._runs: list[tuple[_Halves, _Halves]] = []  # sorted by the first halves

    def add(self, known: bytes) -> bool:
        """Add an id; return whether it is new."""
        if known in self._recent or (self._runs and self._is_in_runs(known)):
            return False
        self._recent.add(known)
        if len(self._recent) == _RECENT:
            self._settle()
        return True

    def _is_in_runs(self, known: bytes) -> bool:
        first, second = np.frombuffer(known, np.uint64)
        for firsts, seconds in self._runs:
            place = int(np.searchsorted(firsts, first))
            while place < len(firsts) and firsts[place] == first:
                if seconds[place] == second:
                    return True
                place += 1
        return False

    def _settle(self) -> None:
        halves = np.frombuffer(b"".join(self._recent), np.uint64).reshape(-1, 2)
        self._recent.clear()
        self._runs.append(_sorted(halves[:, 0], halves[:, 1]))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append(_sorted(*map(np.concatenate, zip(before, last, strict=True))))


def _sorted(firsts: _Halves, seconds: _Halves) -> tuple[_Halves, _Halves]:
    order = np.argsort(firsts)
    return firsts[order], seconds[order]
