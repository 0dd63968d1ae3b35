"""Formatting of texts, durations, numbers and languages."""

from __future__ import annotations

import html
import math
import re

from textmill.config import AUTO, TaskConfig
from textmill.corpus.cleaning.language import UNKNOWN

MAX_CHARS = 600
"""Default maximum length of a text."""
MAX_NAME_CHARS = 60
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~-])")


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


def languages(task: TaskConfig) -> str:
    """Return the languages of a task, such as `en` or `en to de`; empty if they are unknown."""
    if task.language in (UNKNOWN, AUTO):
        return ""
    answers = task.answer_language
    return task.language if answers in (None, UNKNOWN) else f"{task.language} to {answers}"


def plain(text: str) -> str:
    """Return an untrusted name as one line of escaped Markdown, truncated."""
    return escaped(cut(" ".join(text.split()), MAX_NAME_CHARS))


def escaped(text: str) -> str:
    """Return a line of untrusted text as escaped Markdown."""
    return _MARKUP.sub(r"\\\1", html.escape(text, quote=False))
