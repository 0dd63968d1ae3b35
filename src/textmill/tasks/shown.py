"""Presentation of examples and predictions in reports, and their schema in MLflow, by kind."""

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
"""The type of a column of predictions: one of MLflow's, or a list of objects with such fields."""


@dataclass(frozen=True)
class Segment:
    """A span of a text, highlighted or not."""

    text: str
    mark: Mark = ""
    label: str = ""
    """The label of a highlighted span, such as an entity type."""


@dataclass(frozen=True)
class Shown:
    """One test example with the model's prediction."""

    segments: tuple[Segment, ...]
    """The text, in consecutive segments."""
    facts: tuple[tuple[str, str], ...]
    """Names and values below the text, such as reference and prediction."""
    is_right: bool
    certainty: float = 0.0
    """The model's confidence, if it has one: wrong predictions are shown most confident first."""
    mistakes: frozenset[str] = frozenset()
    """Categories of mistakes, such as the confused labels."""


def truncation_fact(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the fact that a text was truncated; none if it was not."""
    return (("note", "longer than the context, truncated"),) if row.get("is_cut") else ()


class Page(Protocol):
    """Presentation of a model and its predictions: `page.py`."""

    DOES: str
    """What a model of this kind does, such as "translates a text"."""
    LONG_TEXTS: str
    """How texts longer than the context are handled."""
    EXAMPLE: Mapping[str, str]
    """An input of a model, with all columns that models of the kind may have."""
    ANSWER: Mapping[str, Column]
    """The columns of a prediction, by name."""

    def show(self, row: Row) -> Shown:
        """Return the presentation of a row of the predictions."""

    def plot(self, rows: Sequence[Row], folder: Path) -> None:
        """Write plots of the predictions to a folder."""


def page_of(kind: str) -> Page:
    """Return the page module of a kind.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Page, load_part(kind, "page"))
