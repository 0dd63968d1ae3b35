"""The settings of a task that gives stars."""

from __future__ import annotations

from typing import Literal

from textmill.config import LabelledConfig


class StarsConfig(LabelledConfig):
    """A number of stars for a text."""

    TEXT_SETTINGS = ("text",)

    kind: Literal["stars"]
    text: str = "text"
    """Column that holds the text."""
    label: str = "stars"
    """Column that holds the number."""


SETTINGS = StarsConfig
