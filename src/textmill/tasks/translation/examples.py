"""Texts with their translation: how they are read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textmill.safety.redaction import redact
from textmill.tasks.labels import as_text
from textmill.tasks.rows import Rows, read_rows
from textmill.tasks.translation.settings import TranslationConfig

# BLEU would need every validation text to be written after every epoch, one token after the other;
# the share of right next tokens takes a single pass.
SELECTION = "token_accuracy"
"""The validation metric by which the best epoch is kept."""

ONE_ANSWER = False
"""Whether a text has one right answer, so that two examples with others are in conflict."""


@dataclass(frozen=True)
class Example:
    """A text with its translation, and where it stands."""

    source: str
    target: str
    place: str


@dataclass(frozen=True)
class Spec:
    """What a fine-tuned model has to know besides its weights."""

    source_share: float
    """Largest share of the context that the source may take."""


def read_examples(config: TranslationConfig, split: str) -> Rows[Example]:
    """Return the examples of a split.

    Raises:
        InputError: the data cannot be used; the message names the file, the line and the fix.
    """

    def parse(values: dict[str, Any], place: str) -> Example:
        texts = [as_text(values[name], name) for name in (config.source, config.target)]
        source, target = (redact(text, config.redaction)[0] for text in texts)
        return Example(source, target, place)

    return read_rows(config, split, {"source": config.source, "target": config.target}, parse)


def make_spec(config: TranslationConfig, train: Sequence[Example]) -> Spec:
    """Return how much room a source has."""
    return Spec(config.source_share)


def check_examples(config: TranslationConfig, spec: Spec, examples: Sequence[Example]) -> None:
    """Check nothing: any text can be translated."""


def reference(example: Example) -> dict[str, Any]:
    """Return what a prediction is compared with, as it stands in the predictions file."""
    return {"text": example.source, "reference": example.target}


def model_input(example: Example) -> str:
    """Return what a model is given."""
    return example.source
