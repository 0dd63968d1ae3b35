"""The settings of a classification."""

from __future__ import annotations

from typing import Literal

from textmill.config import LabelledConfig


class ClassificationConfig(LabelledConfig):
    """One label for a text."""

    TEXT_SETTINGS = ("text",)

    kind: Literal["classification"]
    text: str = "text"
    """Column that holds the text."""
    label: str = "label"
    """Column that holds the label."""


SETTINGS = ClassificationConfig
"""The class of the settings of this kind."""
