"""Labels that people give to texts with any number of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textmill.tasks.annotation.labelling import Label, find_label
from textmill.tasks.classification.behaviour import check_known
from textmill.tasks.labels import Labels
from textmill.tasks.multilabel.examples import Spec, split_labels
from textmill.tasks.multilabel.settings import MultilabelConfig

NO_LABEL = "-"
"""What a person types for no label."""


def uncertainty(spec: Spec, answer: Mapping[str, Any]) -> float:
    """Return one minus the distance of the label nearest to the threshold from it.

    Of very many labels, only the probabilities of those in the answer are known; without any, the
    model counts as unsure.
    """
    chosen = {one["label"]: one["score"] for one in answer["labels"]}
    scores = answer.get("probabilities", chosen).values()
    return 1 - min((abs(score - spec.threshold) for score in scores), default=0.0)


def column(config: MultilabelConfig) -> str:
    """Return the column of the labels in training data."""
    return config.labels


def predicted(answer: Mapping[str, Any]) -> Label:
    """Return the labels in an answer of the model, in their order by name."""
    return sorted(str(one["label"]) for one in answer["labels"])


def known(config: MultilabelConfig, spec: Spec, value: object) -> Label:
    """Return the labels in a column of a file, a list or a text.

    Raises:
        ValueError: it is neither, or a label does not occur in training.
    """
    labels = Labels(config, config.labels)
    found = sorted({*map(labels.label, split_labels(value, config))})
    for label in found:
        check_known(spec.labels, label)
    return found


def typed(spec: Spec, word: str) -> Label:
    """Return the labels that a person means, separated by commas; `NO_LABEL` are none.

    Raises:
        ValueError: one is not known, or ambiguous.
    """
    if word.strip() == NO_LABEL:
        return []
    return sorted({find_label(spec.labels, part) for part in word.split(",")})


def show(label: Label) -> str:
    """Return the labels on one line."""
    return ", ".join(label) or NO_LABEL
