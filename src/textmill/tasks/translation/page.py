"""Presentation of translation models and their predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from textmill.evaluation.metrics import Row
from textmill.evaluation.plots import open_figure
from textmill.tasks.shown import Column, Segment, Shown, truncation_fact

DOES = "translates a text"
LONG_TEXTS = "longer texts are truncated, and `is_cut` is true"
EXAMPLE: Mapping[str, str] = {"text": "Two children are playing in the garden."}
ANSWER: Mapping[str, Column] = {"translation": "string", "is_cut": "boolean"}


def show(row: Row) -> Shown:
    """Return a source text with its reference and the model's translation."""
    return Shown(
        segments=(Segment(row["text"]),),
        facts=(
            ("reference", row["reference"]),
            ("translation", row["translation"]),
            *truncation_fact(row),
        ),
        is_right=row["translation"].strip() == row["reference"].strip(),
    )


def plot(rows: Sequence[Row], folder: Path) -> None:
    """Write a plot of sentence scores, overall and by source length."""
    sources, predictions = [r["text"] for r in rows], [r["translation"] for r in rows]
    references = [r["reference"] for r in rows]
    plot_sentence_scores(sources, predictions, references, folder / "sentence_scores.png")


def plot_sentence_scores(
    sources: Sequence[str], predictions: Sequence[str], references: Sequence[str], file: Path
) -> None:
    """Write a histogram of sentence-level chrF, and box plots by source length, as PNG.

    Not BLEU, which is unreliable for single sentences.
    """
    from sacrebleu.metrics.chrf import CHRF

    chrf = CHRF()
    pairs = zip(predictions, references, strict=True)
    scores = np.array([chrf.sentence_score(guess, [true]).score for guess, true in pairs])
    lengths = np.array([len(source) for source in sources])
    # Quantiles of the texts by length.
    groups = np.array_split(np.argsort(lengths, kind="stable"), min(6, len(lengths)))
    with open_figure(file, (9, 3.5)) as figure:
        left, right = figure.subplots(1, 2)
        left.hist(scores, bins=20, range=(0, 100))
        left.set(xlabel="chrF of a text", ylabel="texts", xlim=(0, 100))
        right.boxplot(
            [scores[group] for group in groups],
            tick_labels=[f"{lengths[group[0]]} to {lengths[group[-1]]}" for group in groups],
            showmeans=True,
        )
        right.set(xlabel="characters of the source", ylabel="chrF of a text", ylim=(0, 100))
        right.tick_params(axis="x", labelrotation=30)
