"""Content filters in requests and responses."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel

from textmill.config import RedactionConfig
from textmill.errors import listed
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.safety.filtering.decisions import Decision
from textmill.serving.refusals import Refusal
from textmill.tasks.filtered.task_filter import CheckedInput, TaskFilter
from textmill.tasks.inputs import Input


class Filtered(BaseModel):
    """What a content filter found, and did about it."""

    category: str
    action: str
    side: str
    """`prompt` or `output`."""
    start: int
    end: int


def shown(decisions: Iterable[Decision]) -> list[Filtered]:
    """Return decisions as responses show them."""
    return [Filtered.model_validate(decision.shown()) for decision in decisions]


def check_prompt(
    content_filter: ContentFilter, text: str, redaction: RedactionConfig, found: list[Filtered]
) -> str:
    """Return a prompt after the filters, which add what they found to the list.

    Raises:
        Refusal: a filter blocks it.
    """
    checked = content_filter.check(text, "prompt", redaction)
    found += shown(checked.decisions)
    if checked.is_blocked:
        raise _blocked(checked.decisions)
    return checked.text


def check_input(task_filter: TaskFilter, given: Input) -> CheckedInput:
    """Return the input of a model that writes texts after the filters.

    Raises:
        Refusal: a filter blocks it.
    """
    checked = task_filter.check_input(given)
    if checked.is_blocked:
        raise _blocked(checked.decisions)
    return checked


def _blocked(decisions: Iterable[Decision]) -> Refusal:
    categories = sorted({one.category for one in decisions if one.action == "block"})
    return Refusal(
        400, f"The prompt was blocked for {listed(categories)}.", "prompt", "content_filter"
    )
