"""Plots of scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sacrebleu.metrics.chrf import CHRF
from sklearn.metrics import ConfusionMatrixDisplay

MOST_CLASSES = 30
"""Of more classes a confusion matrix shows those with the most mistakes."""


def plot_confusion(predictions: list[str], references: list[str], file: Path) -> None:
    """Write the confusion matrix, each row normalised by the number of its references, as PNG.

    Of many classes, those that most mistakes have to do with are shown, with answers among them.
    """
    labels = sorted({*predictions, *references})
    if len(labels) > MOST_CLASSES:
        pairs = zip(predictions, references, strict=True)
        mistakes = Counter(
            label for guess, true in pairs if guess != true for label in (guess, true)
        )
        labels = sorted(sorted(labels, key=lambda label: -mistakes[label])[:MOST_CLASSES])
    shown = [pair for pair in zip(predictions, references, strict=True) if {*pair} <= {*labels}]
    side = 2.5 + 0.7 * len(labels)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        [true for _, true in shown],
        [guess for guess, _ in shown],
        labels=labels,
        normalize="true",
        values_format=".2f",
        cmap="Blues",
        xticks_rotation=45,
        ax=figure.subplots(),
    )
    figure.savefig(file, metadata={"Software": None})  # the same bytes whatever the version


def plot_entity_scores(scores: Mapping[str, float], file: Path) -> None:
    """Write precision, recall and F1 of every entity type as bars, as PNG."""
    found = (name.removeprefix("type/") for name in scores if name.startswith("type/"))
    types = sorted({name.rpartition("/")[0] for name in found})
    figure = Figure(figsize=(7, 1.5 + 0.6 * len(types)), layout="constrained")
    axes = figure.subplots()
    for index, metric in enumerate(("precision", "recall", "f1")):
        places = [row + 0.27 * (index - 1) for row in range(len(types))]
        axes.barh(places, [scores[f"type/{t}/{metric}"] for t in types], 0.25, label=metric)
    axes.set(xlim=(0, 1), yticks=range(len(types)), yticklabels=types)
    axes.invert_yaxis()
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    figure.savefig(file, metadata={"Software": None})  # the same bytes whatever the version


def plot_sentence_scores(
    sources: Sequence[str], predictions: Sequence[str], references: Sequence[str], file: Path
) -> None:
    """Write the chrF of single texts, how often each value occurs and by length, as PNG.

    chrF and not BLEU, which says little about a single sentence.
    """
    chrf = CHRF()
    pairs = zip(predictions, references, strict=True)
    scores = np.array([chrf.sentence_score(guess, [true]).score for guess, true in pairs])
    lengths = np.array([len(source) for source in sources])
    # Groups of equally many texts, from the shortest to the longest.
    groups = np.array_split(np.argsort(lengths, kind="stable"), min(6, len(lengths)))
    figure = Figure(figsize=(9, 3.5), layout="constrained")
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
    figure.savefig(file, metadata={"Software": None})  # the same bytes whatever the version


def plot_scaling_law(
    runs: Mapping[int, Sequence[tuple[int, float]]],
    predict: Callable[[float, float], float],
    file: Path,
) -> None:
    """Write the losses of runs and the law fitted to them, as PNG.

    Args:
        runs: by the number of parameters, tokens and loss (nats a token) of every run.
        predict: the law's loss for parameters and tokens.
        file: where.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    lengths = [tokens for points in runs.values() for tokens, _ in points]
    grid = np.geomspace(min(lengths), max(lengths))
    for parameters, points in sorted(runs.items()):
        (line,) = axes.plot(grid, [predict(parameters, tokens) for tokens in grid])
        label = f"{parameters:,} parameters"
        axes.plot(*zip(*points, strict=True), "o", color=line.get_color(), label=label)
    axes.set(xscale="log", xlabel="tokens", ylabel="validation loss, nats a token")
    axes.legend(title="runs, and the law as lines")
    figure.savefig(file, metadata={"Software": None})  # the same bytes whatever the version
