"""Presentation of language models and their predictions."""

from __future__ import annotations

from collections.abc import Mapping

from textmill.tasks.shown import Column

DOES = "continues a text"
LONG_TEXTS = "earlier text has no influence"
EXAMPLE: Mapping[str, str] = {"text": "The train to the coast"}
ANSWER: Mapping[str, Column] = {"continuation": "string"}
