"""Signals delayed until a call to the store has finished.

An exception that a signal handler raises during a database transaction leaves the transaction open,
so that the next write, which closes the run, would time out waiting for its lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_depth = 0
_pending: Callable[[], None] | None = None


@contextmanager
def delayed_interrupts() -> Iterator[None]:
    """Delay actions of `interrupt` until the block ends; no effect outside the main thread."""
    global _depth, _pending
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0 and _pending is not None:
            action, _pending = _pending, None
            action()


def interrupt(action: Callable[[], None]) -> None:
    """Run the action of a signal after the current call; at a second signal, immediately."""
    global _pending
    if _depth and _pending is None:
        _pending = action
    else:
        _pending = None
        action()
