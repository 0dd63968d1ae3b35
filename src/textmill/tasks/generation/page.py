"""Presentation of models that write responses, and of their predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from textmill.evaluation.metrics import Row
from textmill.evaluation.plots import open_figure
from textmill.tasks.generation.metrics import rouge_l, words_of
from textmill.tasks.shown import Column, Segment, Shown, truncation_fact

DOES = "writes the response to a prompt"
LONG_TEXTS = "of longer prompts the end is read, longer responses are truncated; `is_cut` is true"
EXAMPLE: Mapping[str, str] = {"text": "Write a notice about the lamp that was found."}
ANSWER: Mapping[str, Column] = {"response": "string", "is_cut": "boolean"}


def show(row: Row) -> Shown:
    """Return a prompt with the reference and the model's response."""
    return Shown(
        segments=(Segment(row["prompt"]),),
        facts=(
            ("reference", row["reference"]),
            ("response", row["response"]),
            *truncation_fact(row),
        ),
        is_right=words_of(row["response"]) == words_of(row["reference"]),
    )


def plot(rows: Sequence[Row], folder: Path) -> None:
    """Write a histogram of the ROUGE-L of responses."""
    with open_figure(folder / "responses.png", (6, 3.5)) as figure:
        axes = figure.subplots()
        axes.hist([rouge_l(row["response"], row["reference"]) for row in rows], 20, range=(0, 1))
        axes.set(xlabel="ROUGE-L of a response", ylabel="responses", xlim=(0, 1))
