"""Test examples and answers as they are shown to people and described to MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Mark = Literal["", "right", "missed", "spurious", "wrong"]

ColumnType = Literal["string", "double", "long", "boolean"]
Column = ColumnType | list[Mapping[str, ColumnType]]
"""The type of a column of answers: of MLflow's types, or a list of objects with such fields."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a text, marked or not."""

    text: str
    mark: Mark = ""
    label: str = ""
    """What the mark says, such as the type of an entity."""


@dataclass(frozen=True)
class Shown:
    """One test example with the model's answer."""

    segments: tuple[Segment, ...]
    """The text; its parts join to the whole."""
    facts: tuple[tuple[str, str], ...]
    """Names and values below the text, such as reference and prediction."""
    is_right: bool
    certainty: float = 0.0
    """How sure the model was, where it says so: of wrong answers, the surest come first."""
    mistakes: frozenset[str] = frozenset()
    """What was taken for what, where that can be said in a word."""


def cut_fact(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the fact that a text was cut; none if it was not."""
    return (("note", "longer than the context, cut"),) if row.get("is_cut") else ()
