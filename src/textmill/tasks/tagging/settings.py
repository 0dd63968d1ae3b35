"""The settings of a tagging task."""

from __future__ import annotations

from typing import Literal

from textmill.config import LabelledConfig


class TaggingConfig(LabelledConfig):
    """Tagging: the entities of a text, from a tag for each of its words."""

    TEXT_SETTINGS = ("tokens",)

    kind: Literal["tagging"]
    tokens: str = "tokens"
    """Column of the list of words."""
    tags: str = "ner_tags"
    """Column of the list of their tags in strict IOB2: O, B-TYPE, I-TYPE."""


SETTINGS = TaggingConfig
"""The class of the settings of this kind."""
