"""Labels that people give to texts with one label each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textmill.tasks.annotation.labelling import Label, find_label
from textmill.tasks.classification.behaviour import check_known
from textmill.tasks.classification.examples import Spec
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.labels import Labels


def uncertainty(spec: Spec, answer: Mapping[str, Any]) -> float:
    """Return one minus the probability of the answer (least confidence; Settles 2009, 3.1)."""
    return 1 - float(answer["score"])


def column(config: ClassificationConfig) -> str:
    """Return the column of the label in training data."""
    return config.label


def predicted(answer: Mapping[str, Any]) -> Label:
    """Return the label in an answer of the model."""
    return str(answer["label"])


def known(config: ClassificationConfig, spec: Spec, value: object) -> Label:
    """Return the label in a column of a file.

    Raises:
        ValueError: it is none, or does not occur in training.
    """
    label = Labels(config, config.label).label(value)
    check_known(spec.labels, label)
    return label


def typed(spec: Spec, word: str) -> Label:
    """Return the label that a person means: by its name, number (from 1) or beginning.

    Raises:
        ValueError: it is not known, or ambiguous.
    """
    return find_label(spec.labels, word)


def show(label: Label) -> str:
    """Return the label."""
    return str(label)
