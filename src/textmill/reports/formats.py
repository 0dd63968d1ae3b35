"""Texts, times and numbers as reports and comparisons show them."""

from __future__ import annotations

import math

MAX_CHARS = 600
"""Characters of a text that are shown."""


def cut(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return a text, its end replaced by an ellipsis if it is too long."""
    return text if len(text) <= max_chars else f"{text[:max_chars].rstrip()} …"


def duration(seconds: float | None) -> str:
    """Return a time in words."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def number(value: float | None, form: str = ",.0f") -> str:
    """Return a number in the given form, or a dash where there is none."""
    return "–" if value is None or math.isnan(value) else format(value, form)
