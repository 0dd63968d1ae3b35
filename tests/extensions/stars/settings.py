"""The settings of stars: those of one label, whose modules it uses."""

from __future__ import annotations

from typing import Literal

from textmill.tasks.classification.settings import SingleLabelConfig


class StarsConfig(SingleLabelConfig):
    """Stars: a number of stars for a text."""

    kind: Literal["stars"]
    label: str = "stars"
    """Column of the number."""


SETTINGS = StarsConfig
"""The class of the settings of this kind."""
