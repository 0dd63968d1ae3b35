"""Reading and checking of texts with one label each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import Field, FiniteFloat

from textmill.errors import InputError, listed
from textmill.safety.redaction import redact
from textmill.tasks.classification.settings import ClassificationConfig, TextLabelsConfig
from textmill.tasks.inputs import Input
from textmill.tasks.labels import Labels, as_text
from textmill.tasks.rows import Rows, read_rows

T = TypeVar("T")
Weight = Annotated[FiniteFloat, Field(gt=0)]

SELECTION = "accuracy"
"""The validation metric that selects the best epoch."""

ONE_ANSWER = True
"""Whether each text has one correct answer, so that examples with different ones conflict."""

group = None
"""Examples belong to no groups."""


class OfTexts(Protocol):
    """An example of a text, or of a pair of texts."""

    @property
    def text(self) -> str:
        """The text, or the first text of a pair."""

    @property
    def text_pair(self) -> str | None:
        """The second text of a pair."""


@dataclass(frozen=True)
class Example:
    """A text with its label, and its location (FILE:LINE)."""

    text: str
    label: str
    place: str
    text_pair: str | None = None
    """The second text of a pair."""


@dataclass(frozen=True)
class Spec:
    """Settings of a fine-tuned model besides its weights."""

    labels: tuple[str, ...]
    has_pairs: bool = False
    """Whether labels are those of pairs of texts."""
    weights: tuple[Weight, ...] = ()
    """The weight of training examples by label; empty: all are 1."""

    def __post_init__(self) -> None:
        """Raise ValueError unless every label has a weight, or none has."""
        check_length(self.weights, "weights", self.labels)


def check_length(values: Sequence[float], name: str, labels: Sequence[str]) -> None:
    """Raise ValueError unless there is a value for each label, or none at all."""
    if values and len(values) != len(labels):
        raise ValueError(f"{len(values)} {name} do not fit {len(labels)} labels")


def read_examples(config: ClassificationConfig, split: str) -> Rows[Example]:
    """Return the examples of a split.

    Raises:
        InputError: the data is invalid; the message names the file, the line and the fix.
    """

    def parse(values: dict[str, Any], place: str) -> Example:
        text, *pair = read_texts(config, values)
        return Example(text, labels.label(values[config.label]), place, *pair)

    labels = Labels(config, config.label)
    return read_labelled_texts(config, split, "label", labels, parse)


def read_texts(config: TextLabelsConfig, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text of a record, or both texts of a pair, without personal data.

    Raises:
        ValueError: there is none.
    """
    for column in config.text_columns:
        yield redact(as_text(values[column], column), config.redaction)[0]


def read_labelled_texts(
    config: TextLabelsConfig,
    split: str,
    setting: str,
    labels: Labels,
    parse: Callable[[dict[str, Any], str], T],
) -> Rows[T]:
    """Return the examples of a split.

    Args:
        config: the task.
        split: train, validation or test.
        setting: that of the column of labels.
        labels: parses them.
        parse: returns the example of a record and its location (FILE:LINE), or raises ValueError.

    Raises:
        InputError: the data is invalid; the message names the file, the line and the fix.
    """
    columns = dict(zip(("text", "text_pair"), config.text_columns, strict=False))
    columns[setting] = getattr(config, setting)
    rows = read_rows(config, split, columns, parse)
    rows.normalized = labels.normalized
    return rows


def make_spec(config: ClassificationConfig, train: Sequence[Example]) -> Spec:
    """Return the labels of the training examples, with their weights.

    Raises:
        InputError: all examples have the same label, or labels have no order that they should have.
    """
    counts = Counter(example.label for example in train)
    labels = tuple(sorted(counts))
    if len(labels) < 2:
        raise InputError(
            f"tasks.{config.name}: all training examples have the label {labels[0]!r}; "
            "classification needs at least two."
        )
    if config.ordered and not config.label_names:
        _check_numbers(config, labels)
    is_balanced = config.class_weights == "balanced"
    weights = [len(train) / (len(labels) * counts[label]) for label in labels if is_balanced]
    return Spec(labels, has_pairs=len(config.text_columns) > 1, weights=tuple(weights))


def _check_numbers(config: ClassificationConfig, labels: Iterable[str]) -> None:
    for label in labels:
        try:
            if math.isfinite(float(label)):
                continue
        except ValueError:
            pass
        raise InputError(
            f"tasks.{config.name}.ordered=true: the label {label!r} is no number: list the labels "
            f"in their order, tasks.{config.name}.label_names=[…], or remove ordered."
        )


def check_examples(config: ClassificationConfig, spec: Spec, examples: Sequence[Example]) -> None:
    """Raise InputError if a label does not occur in training.

    Raises:
        InputError: a label does not occur in training.
    """
    for example in examples:
        if example.label not in spec.labels:
            raise InputError(f"{unknown_label(config, spec, example.label, example.place)}.")


def unknown_label(config: TextLabelsConfig, spec: Spec, label: str, place: str) -> str:
    """Return the message for a label that does not occur in training."""
    return (
        f"{place}: the label {label!r} does not occur in the training data of task "
        f"{config.name!r}, which has {listed(spec.labels)}: correct it, or add training examples "
        "of it"
    )


def stratum(example: Example) -> str:
    """Return the label of an example."""
    return example.label


def reference(example: Example) -> dict[str, Any]:
    """Return the fields of the predictions file that are the input and reference of an example."""
    return {**text_fields(example), "reference": example.label}


def text_fields(example: OfTexts) -> dict[str, str]:
    """Return the text, or the texts, of an example by column."""
    pair = {} if example.text_pair is None else {"text_pair": example.text_pair}
    return {"text": example.text, **pair}


def model_input(example: OfTexts) -> Input:
    """Return the input of the model."""
    return example.text if example.text_pair is None else text_fields(example)
