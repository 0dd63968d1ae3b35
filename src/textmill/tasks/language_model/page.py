"""How a language model and its answers are shown."""

from __future__ import annotations

from collections.abc import Mapping

from textmill.tasks.shown import Column

DOES = "continues a text"
LONG_TEXTS = "what lies further back is forgotten"
ANSWER: Mapping[str, Column] = {"continuation": "string"}
