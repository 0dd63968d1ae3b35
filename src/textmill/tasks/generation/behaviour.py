"""What behaviour tests expect of a response: words that it contains."""

from __future__ import annotations

from textmill.tasks.behaviour.judging import Answer, Given
from textmill.tasks.translation.behaviour import (
    check_label,
    contains,
    expected,
    probability,
    with_names,
)

__all__ = ["check_label", "decision", "expected", "is_right", "probability", "show"]

TEXT = "response"


def is_right(answer: Answer, expected: list[str]) -> bool:
    """Return whether the response contains the texts."""
    return contains(answer[TEXT], expected)


def decision(answer: Answer, given: Given) -> str:
    """Return the response, with the names of slots for the values that it contains."""
    return with_names(answer[TEXT], given)


def show(answer: Answer) -> str:
    """Return the response."""
    return str(answer[TEXT])
