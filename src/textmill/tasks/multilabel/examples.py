"""Reading and checking of texts with any number of labels."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

from pydantic import Field, FiniteFloat

from textmill.errors import InputError, listed
from textmill.tasks.classification import examples as single
from textmill.tasks.classification.examples import group, model_input
from textmill.tasks.labels import MAX_SHOWN_CHARS, Labels, describe_value
from textmill.tasks.multilabel.settings import MultilabelConfig
from textmill.tasks.rows import Rows

__all__ = [
    "ONE_ANSWER",
    "SELECTION",
    "Example",
    "Spec",
    "check_examples",
    "group",
    "make_spec",
    "model_input",
    "read_examples",
    "reference",
    "split_labels",
    "stratum",
]

SELECTION = "f1_micro"
"""The validation metric that selects the best epoch."""

ONE_ANSWER = True
"""Whether each text has one correct answer, so that examples with different ones conflict."""

stratum = None
"""Examples have no single label."""

MAX_UNKNOWN_SHARE = 0.001
"""Maximum share of labels that do not occur in training."""

log = logging.getLogger(__name__)

Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Example:
    """A text with its labels by name, and its location (FILE:LINE)."""

    text: str
    labels: tuple[str, ...]
    place: str
    text_pair: str | None = None
    """The second text of a pair."""


@dataclass(frozen=True)
class Spec(single.Spec):
    """Settings of a fine-tuned model besides its weights."""

    shares: tuple[Share, ...] = ()
    """The share of the training examples that has each label."""
    threshold: Share = 0.5
    """The probability from which on a text has a label."""
    absence_weights: tuple[single.Weight, ...] = ()
    """As `weights`, which are those of a label's presence, of its absence."""

    def __post_init__(self) -> None:
        """Raise ValueError unless every label has a share, and both weights or none."""
        super().__post_init__()
        single.check_length(self.absence_weights, "weights", self.labels)
        if len(self.shares) != len(self.labels):
            raise ValueError(f"{len(self.shares)} shares do not fit {len(self.labels)} labels")


def read_examples(config: MultilabelConfig, split: str) -> Rows[Example]:
    """Return the examples of a split.

    Raises:
        InputError: the data is invalid; the message names the file, the line and the fix.
    """

    def parse(values: dict[str, Any], place: str) -> Example:
        text, *pair = single.read_texts(config, values)
        found = {*map(labels.label, split_labels(values[config.labels], config))}
        return Example(text, tuple(sorted(found)), place, *pair)

    labels = Labels(config, config.labels)
    return single.read_labelled_texts(config, split, "labels", labels, parse)


def split_labels(value: object, config: MultilabelConfig) -> Sequence[object]:
    """Return the labels of a value: a list, a list in JSON, or a text with separators.

    Raises:
        ValueError: the value is neither a list nor a text.
    """
    column, separator = config.labels, config.label_separator
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        raise ValueError(
            f"column {column!r} holds neither a list of labels nor a text: "
            f"{describe_value(value)}; an empty list, or text, is no label"
        )
    if not (value.strip().startswith("[") and value.strip().endswith("]")):
        return [label for label in value.split(separator) if label.strip()]
    try:
        return list(json.loads(value))
    except (ValueError, RecursionError):
        raise ValueError(
            f"column {column!r} holds {value[:MAX_SHOWN_CHARS]!r}, in brackets, but no list in "
            'JSON: write it as ["a", "b"], or without brackets'
        ) from None


def make_spec(config: MultilabelConfig, train: Sequence[Example]) -> Spec:
    """Return the labels of the training examples, with their shares and weights.

    Raises:
        InputError: all examples have the same labels.
    """
    counts = Counter(chain.from_iterable(example.labels for example in train))
    if len({example.labels for example in train}) < 2:
        same = listed(train[0].labels) if counts else "no label"
        raise InputError(
            f"tasks.{config.name}: all training examples have the same labels ({same}); "
            "classification needs examples with others."
        )
    labels = tuple(sorted(counts))
    shares = tuple(counts[label] / len(train) for label in labels)
    weighted = [*shares] if config.class_weights == "balanced" else []
    # The absence of a label that all examples have occurs in none: its weight does not matter.
    return Spec(
        labels,
        has_pairs=len(config.text_columns) > 1,
        shares=shares,
        weights=tuple(1 / (2 * share) for share in weighted),
        absence_weights=tuple(1 / (2 * (1 - share)) if share < 1 else 1.0 for share in weighted),
    )


def check_examples(config: MultilabelConfig, spec: Spec, examples: Sequence[Example]) -> None:
    """Raise InputError if labels do not occur in training, unless they are very rare.

    Rare ones are logged. They count as missed.

    Raises:
        InputError: more than MAX_UNKNOWN_SHARE of the labels do not occur in training.
    """
    known = {*spec.labels}
    unknown = [(e.place, label) for e in examples for label in e.labels if label not in known]
    if not unknown:
        return
    (place, label), n = unknown[0], len(unknown)
    n_labels = sum(len(example.labels) for example in examples)
    problem = single.unknown_label(config, spec, label, place)
    if n > MAX_UNKNOWN_SHARE * n_labels:
        raise InputError(f"{problem}.")
    log.warning("%s (%d of %d labels are unknown, and count as missed).", problem, n, n_labels)


def label_numbers(spec: Spec, examples: Sequence[Example]) -> list[tuple[int, ...]]:
    """Return the numbers of each example's labels, without those that training lacks."""
    numbers = {label: number for number, label in enumerate(spec.labels)}
    return [tuple(numbers[one] for one in e.labels if one in numbers) for e in examples]


def reference(example: Example) -> dict[str, Any]:
    """Return the fields of the predictions file that are the input and reference of an example."""
    return {**single.text_fields(example), "reference": list(example.labels)}
