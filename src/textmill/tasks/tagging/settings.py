"""The settings of a tagging task."""

from __future__ import annotations

from typing import Literal

from textmill.config import LabelledConfig


class TaggingConfig(LabelledConfig):
    """Tagging: the entities of a text, or the roles around a predicate, from tags of its words."""

    TEXT_SETTINGS = ("tokens",)
    INPUT_COLUMNS = {"text": "tokens"}
    INPUT_TYPES = {"text": list, "predicate": int}

    kind: Literal["tagging"]
    tokens: str = "tokens"
    """Column of the list of words."""
    tags: str = "ner_tags"
    """Column of the list of their tags in strict IOB2: O, B-TYPE, I-TYPE."""
    predicate: str | None = None
    """Column of the number of a word, counted from 0, that the tags refer to, such as the verb of
    semantic roles. Its own tag is no answer."""


SETTINGS = TaggingConfig
"""The class of the settings of this kind."""
