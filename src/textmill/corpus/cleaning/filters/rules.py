"""Helpers of the quality rules: messages for limits, shares of lines, and repeated parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

ELLIPSES = ("...", "…")
FULL_STOPS = ".!?。！？｡．؟۔।။።"


def above(name: str, value: float | None, limit: float | None) -> str | None:
    """Return a message if a value is above its limit; None if not, or if there is no limit."""
    if value is None or limit is None or value <= limit:
        return None
    return f"{name} {_number(value)} > {limit:g}"


def below(name: str, value: float | None, limit: float | None) -> str | None:
    """Return a message if a value is below its limit; None if not, or if there is no limit."""
    if value is None or limit is None or value >= limit:
        return None
    return f"{name} {_number(value)} < {limit:g}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def share(lines: Sequence[str], predicate: Callable[[str], bool]) -> float:
    """Return the share of lines for which a predicate is true; 0 without lines."""
    return sum(map(predicate, lines)) / max(1, len(lines))


def count_duplicates(parts: Iterable[str]) -> tuple[int, int]:
    """Return the number of repeated parts, and the number of characters in them."""
    seen: set[str] = set()
    count = chars = 0
    for part in parts:
        if part in seen:
            count += 1
            chars += len(part)
        seen.add(part)
    return count, chars
