"""Texts with one label each: how they are read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textmill.errors import InputError, listed
from textmill.safety.redaction import redact
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.labels import Labels, as_text
from textmill.tasks.rows import Rows, read_rows

SELECTION = "accuracy"
"""The validation metric by which the best epoch is kept."""

ONE_ANSWER = True
"""Whether a text has one right answer, so that two examples with others are in conflict."""


@dataclass(frozen=True)
class Example:
    """A text with its label, and where it stands."""

    text: str
    label: str
    place: str


@dataclass(frozen=True)
class Spec:
    """What a fine-tuned model has to know besides its weights."""

    labels: tuple[str, ...]


def read_examples(config: ClassificationConfig, split: str) -> Rows[Example]:
    """Return the examples of a split.

    Raises:
        InputError: the data cannot be used; the message names the file, the line and the fix.
    """

    def parse(values: dict[str, Any], place: str) -> Example:
        text = redact(as_text(values[config.text], config.text), config.redaction)[0]
        return Example(text, labels.label(values[config.label]), place)

    labels = Labels(config, config.label)
    rows = read_rows(config, split, {"text": config.text, "label": config.label}, parse)
    rows.respelled = labels.respelled
    return rows


def make_spec(config: ClassificationConfig, train: Sequence[Example]) -> Spec:
    """Return the labels of the training examples.

    Raises:
        InputError: all examples have one label.
    """
    labels = tuple(sorted({example.label for example in train}))
    if len(labels) < 2:
        raise InputError(
            f"tasks.{config.name}: all training examples have the label {labels[0]!r}; "
            "classification needs at least two."
        )
    return Spec(labels)


def check_examples(config: ClassificationConfig, spec: Spec, examples: Sequence[Example]) -> None:
    """Check that all labels are known.

    Raises:
        InputError: a label does not occur in training.
    """
    for example in examples:
        if example.label not in spec.labels:
            raise InputError(
                f"{example.place}: the label {example.label!r} does not occur in the training "
                f"data of task {config.name!r}, which has {listed(spec.labels)}: correct it, "
                "or add training examples of it."
            )


def reference(example: Example) -> dict[str, Any]:
    """Return what a prediction is compared with, as it stands in the predictions file."""
    return {"text": example.text, "reference": example.label}


def model_input(example: Example) -> str:
    """Return what a model is given."""
    return example.text
