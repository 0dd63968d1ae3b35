"""Figures with reproducible bytes, and labels in any script."""

from __future__ import annotations

import io
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from textmill.evaluation.learning_curve import LearningCurve

_MAX_LABEL_CHARS = 40
_PADDING_INCHES = 0.06  # per missing glyph, whose width matplotlib underestimates


@contextmanager
def open_figure(
    file: Path, size: tuple[float, float], labels: Sequence[str] = ()
) -> Iterator[Figure]:
    """Yield a figure, and write it as PNG, with the same bytes on every machine.

    If the font lacks glyphs of the labels, or they run from right to left, it is written as SVG
    with the suffix .svg instead: its labels are text, which viewers render in other fonts.

    Args:
        file: of the PNG.
        size: width and height in inches.
        labels: text in the figure that is not known in advance.
    """
    # Dollar signs in labels are literal; without labels, log-scale ticks need mathtext.
    style = {"text.parse_math": not labels, "svg.fonttype": "none", "svg.hashsalt": file.stem}
    with mpl.rc_context(style), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        content = io.BytesIO()
        n_missing = max(map(_n_missing, labels), default=0)
        if n_missing:
            file = file.with_suffix(".svg")
            padding = _PADDING_INCHES * n_missing
            figure.set_layout_engine("constrained", w_pad=padding, h_pad=padding)
            figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
        else:
            figure.savefig(content, format="png", metadata={"Software": None})
    file.write_bytes(content.getvalue())


def _n_missing(label: str) -> int:
    """Return the number of missing glyphs of a label; its length if it runs from right to left."""
    known = font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap()
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in label):
        return len(label)
    return sum(ord(character) not in known for character in label)


def shown_label(label: str) -> str:
    """Return a label truncated to one line, without unprintable characters."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in label)
    return line if len(line) <= _MAX_LABEL_CHARS else f"{line[: _MAX_LABEL_CHARS - 1]}…"


def extra_inches(names: Sequence[str]) -> float:
    """Return the additional figure size for long tick labels, in inches."""
    return 0.08 * (max([12, *map(len, names)]) - 12)


def plot_label_scores(scores: Mapping[str, float], prefix: str, file: Path) -> None:
    """Write a bar chart of precision, recall and F1 by label, as PNG.

    Args:
        scores: by name, such as `type/PER/f1`; other names are ignored.
        prefix: what the names of a label's scores begin with, such as `type/`.
        file: of the PNG.
    """
    found = (name.removeprefix(prefix) for name in scores if name.startswith(prefix))
    labels = sorted({name.rpartition("/")[0] for name in found})
    names = [shown_label(name) for name in labels]
    with open_figure(file, (7 + extra_inches(names), 1.5 + 0.6 * len(labels)), names) as figure:
        axes = figure.subplots()
        for index, metric in enumerate(("precision", "recall", "f1")):
            places = [row + 0.27 * (index - 1) for row in range(len(labels))]
            values = [scores[f"{prefix}{label}/{metric}"] for label in labels]
            axes.barh(places, values, 0.25, label=metric)
        axes.set(xlim=(0, 1), yticks=range(len(labels)), yticklabels=names)
        axes.invert_yaxis()
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)


def plot_scaling_law(
    runs: Mapping[int, Sequence[tuple[int, float]]],
    predict: Callable[[float, float], float],
    file: Path,
) -> None:
    """Write a plot of the losses of runs and the scaling law fitted to them, as PNG.

    Args:
        runs: by number of parameters: tokens and loss (nats per token) of every run.
        predict: returns the loss under the law for parameters and tokens.
        file: of the PNG.
    """
    with open_figure(file, (7, 4.5)) as figure:
        axes = figure.subplots()
        lengths = [tokens for points in runs.values() for tokens, _ in points]
        grid = np.geomspace(min(lengths), max(lengths))
        for parameters, points in sorted(runs.items()):
            (line,) = axes.plot(grid, [predict(parameters, tokens) for tokens in grid])
            label = f"{parameters:,} parameters"
            axes.plot(*zip(*points, strict=True), "o", color=line.get_color(), label=label)
        axes.set(xscale="log", xlabel="tokens", ylabel="validation loss (nats per token)")
        axes.legend(title="points: runs; lines: fitted law")


def plot_learning_curve(curve: LearningCurve, file: Path) -> None:
    """Write a plot of the mean test scores over the number of training examples, as PNG."""
    ylabel = f"test {curve.metric.replace('_', ' ')}"
    with open_figure(file, (7, 4.5), [ylabel]) as figure:
        axes = figure.subplots()
        for arm in curve.arms:
            summaries = [curve.summary(arm, size) for size in curve.sizes]
            deviations = [summary.deviation or 0.0 for summary in summaries]
            means = [summary.mean for summary in summaries]
            axes.errorbar(curve.sizes, means, deviations, label=arm, marker="o", capsize=3)
        axes.set(xscale="log", xlabel="training examples", ylabel=ylabel)
        axes.set_xticks(curve.sizes, [f"{size:,}" for size in curve.sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.3)
        bars = f"standard deviation of {curve.n_seeds} seeds" if curve.n_seeds > 1 else "one seed"
        axes.legend(title=bars)
