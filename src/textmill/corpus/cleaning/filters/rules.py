"""What the quality rules share: limits in words, shares of lines, and repeated parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

ELLIPSES = ("...", "…")
FULL_STOPS = ".!?。！？｡．؟۔।။።"


def above(name: str, value: float | None, limit: float | None) -> str | None:
    """Return in words that a value is above its limit; None if not, or if there is no limit."""
    if value is None or limit is None or value <= limit:
        return None
    return f"{name} {_number(value)} > {limit:g}"


def below(name: str, value: float | None, limit: float | None) -> str | None:
    """Return in words that a value is below its limit; None if not, or if there is no limit."""
    if value is None or limit is None or value >= limit:
        return None
    return f"{name} {_number(value)} < {limit:g}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def share(lines: Sequence[str], holds: Callable[[str], bool]) -> float:
    """Return the share of lines for which something holds; 0 without lines."""
    return sum(map(holds, lines)) / max(1, len(lines))


def count_duplicates(parts: Iterable[str]) -> tuple[int, int]:
    """Return how many parts occurred before, and the characters in them."""
    seen: set[str] = set()
    count = chars = 0
    for part in parts:
        if part in seen:
            count += 1
            chars += len(part)
        seen.add(part)
    return count, chars
