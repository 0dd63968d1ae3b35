"""The settings of classification."""

from __future__ import annotations

from typing import Literal

from textmill.config import LabelledConfig


class ClassificationConfig(LabelledConfig):
    """Classification: one label for a text, or for a pair of texts."""

    TEXT_SETTINGS = ("text", "text_pair")

    kind: Literal["classification"]
    text: str = "text"
    """Column of the text."""
    text_pair: str | None = None
    """Column of a second text, such as the hypothesis that the first one entails or not."""
    label: str = "label"
    """Column of the label."""


SETTINGS = ClassificationConfig
"""The class of the settings of this kind."""
