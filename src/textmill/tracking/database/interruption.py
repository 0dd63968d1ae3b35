"""Signals that wait until a call of the store is through.

An exception that a signal handler raises in the middle of a database transaction leaves it open,
and the next write, which is to close the run, then waits for its lock in vain.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_depth = 0
_waiting: Callable[[], None] | None = None


@contextmanager
def delayed_interrupts() -> Iterator[None]:
    """Put off what `interrupt` is given until the block ends; only the main thread gets signals."""
    global _depth, _waiting
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0 and _waiting is not None:
            act, _waiting = _waiting, None
            act()


def interrupt(act: Callable[[], None]) -> None:
    """Do what a signal asks for, now or after the running call; asked twice, now."""
    global _waiting
    if _depth and _waiting is None:
        _waiting = act
    else:
        _waiting = None
        act()
