"""Checks that work takes time linear in the size of its input, however fast the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

ATTEMPTS = 4
Input = TypeVar("Input")


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of this process that one call takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def repeat(unit: str) -> Callable[[int], str]:
    """Return what makes a text of about so many characters, all of them repetitions of ``unit``."""
    return lambda size: "x" + unit * (size // len(unit)) + "x"


def assert_linear(work: Callable[[Input], object], make: Callable[[int], Input], size: int) -> None:
    """Check that four times the input takes about four times as long, and not sixteen times.

    The shortest of up to four times counts, as other programs only lengthen them; what takes no
    tenth of a second tells nothing.
    """
    inputs = make(size), make(4 * size)
    short = long = float("inf")
    for _ in range(ATTEMPTS):
        short = min(short, cpu_seconds(lambda: work(inputs[0])))
        long = min(long, cpu_seconds(lambda: work(inputs[1])))
        if long < 8 * short + 0.1:
            return
    raise AssertionError(f"{short:.3g} s, and {long:.3g} s for four times as much")
