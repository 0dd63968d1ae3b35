"""The inputs of translation models, and their translations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from textmill.config import RedactionConfig
from textmill.safety.redaction import redact
from textmill.tasks.translation.examples import Spec

# A decoding step costs little more for a large batch than for a small one.
PREDICT_BATCH = 128
"""Batch size of prediction."""
WRITES: str | None = "translation"
"""Content filters check it."""
targets = fit_decision = details = None
"""Translations have no probabilities to average, or to decide by."""


def columns(spec: Spec) -> tuple[str, ...]:
    """Return the columns of a model's input; the only one is the text itself."""
    return ("text",)


def prepare(spec: Spec, inputs: Sequence[str], redaction: RedactionConfig) -> list[str]:
    """Return the texts without personal data, which their translations will not contain either."""
    return [redact(text, redaction)[0] for text in inputs]


def answer(
    spec: Spec, prepared: Sequence[str], scores: Sequence[tuple[str, bool]]
) -> Iterator[dict[str, Any]]:
    """Yield the translation of each text, and whether the text or its translation was truncated.

    Args:
        spec: unused.
        prepared: the texts.
        scores: the translation of each text, and whether it was truncated.
    """
    for text, (translation, is_cut) in zip(prepared, scores, strict=True):
        if not text.strip():
            yield {"translation": "", "is_cut": False}  # the model would invent a translation
        else:
            yield {"translation": translation, "is_cut": is_cut}
