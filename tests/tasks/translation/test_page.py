"""Specifies how a translation model is shown."""

from __future__ import annotations

from textmill.tasks.shown import Segment
from textmill.tasks.translation.page import show


def test_a_translation_is_shown_with_source_and_reference() -> None:
    row = {"text": "Guten Tag", "reference": "Hello", "translation": "Hi", "is_cut": True}
    shown = show(row)
    assert show(row | {"translation": "Hello "}).is_right
    assert not shown.is_right
    assert shown.segments == (Segment("Guten Tag"),)
    assert shown.facts == (
        ("reference", "Hello"),
        ("translation", "Hi"),
        ("note", "longer than the context, truncated"),
    )
