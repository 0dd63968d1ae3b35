"""Presentation of predictions: with a histogram of errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from textmill.evaluation.metrics import Row
from textmill.evaluation.plots import open_figure
from textmill.tasks.classification.page import ANSWER, EXAMPLE, LONG_TEXTS
from textmill.tasks.classification.page import show as show_label
from textmill.tasks.shown import Shown

from .metrics import error

__all__ = ["ANSWER", "DOES", "EXAMPLE", "LONG_TEXTS", "plot", "show"]

DOES = "gives a text stars"


def show(row: Row) -> Shown:
    """Return a text with its stars, those predicted, and how many lie between."""
    shown = show_label(row)
    return replace(shown, facts=(*shown.facts, ("stars off", f"{error(row):g}")))


def plot(rows: Sequence[Row], folder: Path) -> None:
    """Write a histogram of errors."""
    with open_figure(folder / "errors.png", (5, 3)) as figure:
        figure.subplots().hist(list(map(error, rows)))
