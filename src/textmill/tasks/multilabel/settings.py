"""The settings of multi-label classification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from textmill.tasks.classification.settings import TextLabelsConfig


class MultilabelConfig(TextLabelsConfig):
    """Multi-label classification: any number of labels, or none, for a text or a pair of texts.

    It is the kind of a classification with `labels`.
    """

    kind: Literal["multilabel"]
    labels: str = "labels"
    """Column of the labels: a list, or a text with a separator between them."""
    label_separator: str = Field(",", min_length=1)
    """What separates labels in a text, as in CSV; a text that is a list in JSON needs none."""

    @model_validator(mode="before")
    @classmethod
    def _labels_are_in_one_column(cls, values: Any) -> Any:
        is_section = isinstance(values, Mapping) and isinstance(values.get("label"), Mapping)
        if not isinstance(values, Mapping) or "label" not in values or is_section:
            return values
        if values["label"] is not None:
            raise ValueError(
                f"label={values['label']} is the column of one label per text, and "
                f"labels={values.get('labels', 'labels')} that of any number: remove one of them."
            )
        return {name: value for name, value in values.items() if name != "label"}


SETTINGS = MultilabelConfig
"""The class of the settings of this kind."""
