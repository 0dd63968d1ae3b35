"""The settings of stars."""

from __future__ import annotations

from typing import Literal

from textmill.config import LabelledConfig


class StarsConfig(LabelledConfig):
    """Stars: a number of stars for a text."""

    TEXT_SETTINGS = ("text",)

    kind: Literal["stars"]
    text: str = "text"
    """Column of the text."""
    label: str = "stars"
    """Column of the number."""


SETTINGS = StarsConfig
