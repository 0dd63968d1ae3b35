"""Simple translators: the source itself, and a table of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from textmill.tasks.translation.examples import Example

CLASSICAL_BASELINE = "word_by_word"
"""The baseline whose scores stand beside the model's."""

TRIVIAL_BASELINE = "copy_source"
"""The baseline that learns next to nothing."""


def baselines(
    train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each simple model, and what was done to save memory."""
    from textmill.evaluation.baselines import copy_source, word_by_word

    asked = [e.source for e in test]
    yield "copy_source", [{"translation": text} for text in copy_source(asked)], ""
    answers, note = word_by_word([e.source for e in train], [e.target for e in train], asked)
    yield CLASSICAL_BASELINE, [{"translation": text} for text in answers], note
