"""The prompts of models, and their responses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from textmill.tasks.generation.examples import Spec
from textmill.tasks.translation.answers import (
    PREDICT_BATCH,
    columns,
    details,
    fit_decision,
    prepare,
    targets,
)

__all__ = [
    "PREDICT_BATCH",
    "WRITES",
    "answer",
    "columns",
    "details",
    "fit_decision",
    "prepare",
    "targets",
]

WRITES: str | None = "response"
"""Content filters check it."""


def answer(
    spec: Spec, prepared: Sequence[str], scores: Sequence[tuple[str, bool]]
) -> Iterator[dict[str, Any]]:
    """Yield the response to each prompt, and whether the prompt or its response was truncated.

    Args:
        spec: unused.
        prepared: the prompts.
        scores: the response to each prompt, and whether it was truncated.
    """
    for response, is_cut in scores:
        yield {"response": response, "is_cut": is_cut}
