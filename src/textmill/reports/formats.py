"""Formatting of texts, durations and numbers."""

from __future__ import annotations

import math

MAX_CHARS = 600
"""Default maximum length of a text."""


def cut(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return a text, truncated with an ellipsis if it is too long."""
    return text if len(text) <= max_chars else f"{text[:max_chars].rstrip()} …"


def duration(seconds: float | None) -> str:
    """Return a formatted duration, or a dash for None."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def number(value: float | None, form: str = ",.0f") -> str:
    """Return a formatted number, or a dash for None and NaN."""
    return "–" if value is None or math.isnan(value) else format(value, form)
