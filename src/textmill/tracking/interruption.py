"""Signals that wait until a call of the store is through.

An exception that a signal handler raises in the middle of a database transaction leaves it open,
and the next write, which is to close the run, then waits for its lock in vain.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_depth = 0
_waiting: list[Callable[[], None]] = []


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put off what `interrupt` is given until the block ends; only the main thread gets signals."""
    global _depth
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0 and _waiting:
            actions = _waiting.copy()
            _waiting.clear()
            for act in actions:
                act()


def interrupt(act: Callable[[], None]) -> None:
    """Do what a signal asks for, now or after the running call; asked twice, now."""
    if _depth and not _waiting:
        _waiting.append(act)
    else:
        _waiting.clear()
        act()
