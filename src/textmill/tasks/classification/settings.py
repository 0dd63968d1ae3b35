"""The settings of classification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import model_validator

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

    @model_validator(mode="before")
    @classmethod
    def _label_may_be_a_section(cls, values: Any) -> Any:
        """Read `label: {source: …}` as labelling, with the column of that name."""
        if not isinstance(values, Mapping) or not isinstance(values.get("label"), Mapping):
            return values
        if values.get("labelling") is not None:
            raise ValueError(
                "label={…} and labelling are the same section: remove one of them, or set label to "
                "the column of the label."
            )
        rest = {name: value for name, value in values.items() if name != "label"}
        return {**rest, "labelling": values["label"]}


class SingleLabelConfig(TextLabelsConfig):
    """Settings of kinds of task whose texts, or pairs of texts, have one label."""

    label: str = "label"
    """Column of the label."""
    ordered: bool = False
    """Whether labels have an order: that of `label_names`, or else that of numbers. Their mean
    absolute error is then a score as well: the mean number of places, or the mean difference."""


class ClassificationConfig(SingleLabelConfig):
    """Classification: one label for a text, or for a pair of texts.

    With `labels` instead of `label`, a text has any number of them: see `MultilabelConfig`.
    """

    SPECIAL_KINDS = {"labels": "multilabel"}

    kind: Literal["classification"]


SETTINGS = ClassificationConfig
"""The class of the settings of this kind."""
