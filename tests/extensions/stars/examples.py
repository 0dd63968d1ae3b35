"""Texts with stars: read and checked as labels are, if they are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textmill.errors import InputError
from textmill.tasks.classification.examples import (
    ONE_ANSWER,
    Example,
    Spec,
    check_examples,
    group,
    model_input,
    read_examples,
    reference,
    stratum,
)
from textmill.tasks.classification.examples import make_spec as make_label_spec

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
    "stratum",
]

SELECTION = "accuracy"


def make_spec(config: Any, train: Sequence[Example]) -> Spec:
    """Return the numbers of the training examples.

    Raises:
        InputError: a label is no number.
    """
    for example in train:
        if not example.label.isdigit():
            raise InputError(f"{example.place}: {example.label!r} is no number of stars.")
    return make_label_spec(config, train)
