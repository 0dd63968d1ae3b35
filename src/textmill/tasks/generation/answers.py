"""The prompts of models, and their responses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from textmill.config import RedactionConfig
from textmill.safety.redaction import redact
from textmill.tasks.generation.examples import Spec

# A decoding step costs little more for a large batch than for a small one.
PREDICT_BATCH = 128
"""Batch size of prediction."""
targets = fit_decision = None
"""Responses have no probabilities to average, or to decide by."""


def columns(spec: Spec) -> tuple[str, ...]:
    """Return the columns of a model's input; the only one is the text itself."""
    return ("text",)


def prepare(spec: Spec, inputs: Sequence[str], redaction: RedactionConfig) -> list[str]:
    """Return the prompts without personal data, which responses will not repeat either."""
    return [redact(text, redaction)[0] for text in inputs]


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
