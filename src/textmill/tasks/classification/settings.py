"""The settings of classification."""

from __future__ import annotations

from typing import Literal

from textmill.config import LabelledConfig


class ClassificationConfig(LabelledConfig):
    """Classification: one label for a text."""

    TEXT_SETTINGS = ("text",)

    kind: Literal["classification"]
    text: str = "text"
    """Column of the text."""
    label: str = "label"
    """Column of the label."""


SETTINGS = ClassificationConfig
"""The class of the settings of this kind."""
