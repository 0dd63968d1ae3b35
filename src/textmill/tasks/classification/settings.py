"""The settings of classification."""

from __future__ import annotations

from typing import Literal

from textmill.config import LabelledConfig


class TextLabelsConfig(LabelledConfig):
    """Settings of kinds of task that label whole texts, or pairs of texts."""

    TEXT_SETTINGS = ("text", "text_pair")

    text: str = "text"
    """Column of the text."""
    text_pair: str | None = None
    """Column of a second text, such as the hypothesis that the first one entails or not."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weights of training examples, of the network and of the classical baseline. balanced: in
    inverse proportion to the number of examples with the label, so that rare labels count as much
    as frequent ones (scikit-learn's `balanced`)."""


class ClassificationConfig(TextLabelsConfig):
    """Classification: one label for a text, or for a pair of texts.

    With `labels` instead of `label`, a text has any number of them: see `MultilabelConfig`.
    """

    SPECIAL_KINDS = {"labels": "multilabel"}

    kind: Literal["classification"]
    label: str = "label"
    """Column of the label."""
    ordered: bool = False
    """Whether labels have an order: that of `label_names`, or else that of numbers. Their mean
    absolute error is then a score as well: the mean number of places, or the mean difference."""


SETTINGS = ClassificationConfig
"""The class of the settings of this kind."""
