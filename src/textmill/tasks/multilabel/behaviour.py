"""What behaviour tests expect of a model with any number of labels for a text."""

from __future__ import annotations

from typing import Any

from textmill.tasks.behaviour.judging import Answer, Given
from textmill.tasks.classification.behaviour import check_known, check_label, probability
from textmill.tasks.labels import normalize_label
from textmill.tasks.multilabel.examples import Spec

__all__ = ["check_label", "decision", "expected", "is_right", "probability", "show"]


def expected(spec: Spec, expect: Any, given: Given) -> list[str]:
    """Return the labels, sorted; a single one need not be a list.

    Raises:
        ValueError: one does not occur in training.
    """
    labels = [
        normalize_label(str(one)) for one in (expect if isinstance(expect, list) else [expect])
    ]
    for label in labels:
        check_known(spec.labels, label)
    return sorted(labels)


def is_right(answer: Answer, expected: list[str]) -> bool:
    """Return whether the labels are the expected ones."""
    return _labels(answer) == expected


def decision(answer: Answer, given: Given) -> list[str]:
    """Return the labels, sorted."""
    return _labels(answer)


def show(answer: Answer) -> str:
    """Return the labels with their probabilities."""
    shown = (f"{one['label']} ({one['score']:.2f})" for one in answer["labels"])
    return ", ".join(shown) or "none"


def _labels(answer: Answer) -> list[str]:
    return sorted(str(one["label"]) for one in answer["labels"])
