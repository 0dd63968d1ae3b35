"""Test examples and answers as they are shown to people and described to MLflow, by their kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from textmill.evaluation.metrics import Row
from textmill.tasks.kinds import load_part

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


class Page(Protocol):
    """How a model and its answers are shown: `page.py`."""

    DOES: str
    """What a model of this kind does, as "translates a text"."""
    LONG_TEXTS: str
    """What becomes of texts beyond the context."""
    ANSWER: Mapping[str, Column]
    """The columns of an answer, by name."""

    def show(self, row: Row) -> Shown:
        """Return a row of the predictions as it is shown."""

    def plot(self, rows: Sequence[Row], folder: Path) -> None:
        """Draw pictures of the predictions into a folder."""


def page_of(kind: str) -> Page:
    """Return how a kind shows its answers.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Page, load_part(kind, "page"))
