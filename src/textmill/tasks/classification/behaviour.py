"""What behaviour tests expect of a classifier: its label, and the probability of a label."""

from __future__ import annotations

from typing import Any

from textmill.errors import listed
from textmill.tasks.behaviour.judging import Answer, Given
from textmill.tasks.classification.answers import MAX_DETAILED_LABELS
from textmill.tasks.classification.examples import Spec
from textmill.tasks.labels import normalize_label


def expected(spec: Spec, expect: Any, given: Given) -> str:
    """Return the label.

    Raises:
        ValueError: it does not occur in training.
    """
    label = normalize_label(expect) if isinstance(expect, str) else expect
    check_known(spec.labels, label)
    return str(label)


def check_known(labels: tuple[str, ...], label: Any) -> None:
    """Raise ValueError unless a label occurs in training."""
    if label not in labels:
        raise ValueError(
            f"the label {label!r} does not occur in the training data: use one of {listed(labels)}"
        )


def is_right(answer: Answer, expected: str) -> bool:
    """Return whether the label is the expected one."""
    return bool(answer["label"] == expected)


def decision(answer: Answer, given: Given) -> str:
    """Return the label."""
    return str(answer["label"])


def check_label(spec: Spec, label: str) -> None:
    """Raise ValueError unless there is a probability of the label."""
    check_known(spec.labels, label)
    if len(spec.labels) > MAX_DETAILED_LABELS:
        raise ValueError(
            f"models of more than {MAX_DETAILED_LABELS} labels keep no probabilities: remove the "
            "test"
        )


def probability(answer: Answer, label: str) -> float:
    """Return the probability of a label."""
    return float(answer["probabilities"][label])


def show(answer: Answer) -> str:
    """Return the label with its probability."""
    return f"{answer['label']} ({answer['score']:.2f})"
