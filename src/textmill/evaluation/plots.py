"""Plots of scores, with labels as they are spelt."""

from __future__ import annotations

import io
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from sacrebleu.metrics.chrf import CHRF
from sklearn.metrics import ConfusionMatrixDisplay

MAX_CLASSES = 30
"""Of more classes a confusion matrix shows those with the most mistakes."""
_LABEL_CHARS = 40
_ROOM_INCHES = 0.06  # beside a letter that the font lacks, which is wider than it is taken for


@contextmanager
def _figure(file: Path, size: tuple[float, float], labels: Sequence[str] = ()) -> Iterator[Figure]:
    """Yield a figure in inches, and write it as PNG: the same bytes on every machine.

    Where the font lacks letters of the labels, or cannot set them in order, it becomes an SVG
    beside that place, whose labels are text: whoever shows it takes a font that has them.
    """
    # A dollar in a label begins no mathematics; the ticks of a logarithmic axis are mathematics.
    style = {"text.parse_math": not labels, "svg.fonttype": "none", "svg.hashsalt": file.stem}
    with mpl.rc_context(style), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        content = io.BytesIO()
        n_missing = max(map(_n_missing, labels), default=0)
        if n_missing:
            file = file.with_suffix(".svg")
            room = _ROOM_INCHES * n_missing
            figure.set_layout_engine("constrained", w_pad=room, h_pad=room)
            figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
        else:
            figure.savefig(content, format="png", metadata={"Software": None})
    file.write_bytes(content.getvalue())


def _n_missing(label: str) -> int:
    """Return how many letters of a label the font lacks; all, if they run from right to left."""
    known = font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap()
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in label):
        return len(label)
    return sum(ord(character) not in known for character in label)


def _shown(label: str) -> str:
    """Return a label as a line of bounded length, without characters that show nothing."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in label)
    return line if len(line) <= _LABEL_CHARS else f"{line[: _LABEL_CHARS - 1]}…"


def _extra_inches(names: Sequence[str]) -> float:
    """Return how much larger long names make a picture."""
    return 0.08 * (max([12, *map(len, names)]) - 12)


def plot_confusion(predictions: list[str], references: list[str], file: Path) -> None:
    """Write the confusion matrix, each row normalised by the number of its references, as PNG.

    Of many classes, those that most mistakes have to do with are shown, with answers among them.
    """
    labels = sorted({*predictions, *references})
    if len(labels) > MAX_CLASSES:
        pairs = zip(predictions, references, strict=True)
        mistakes = Counter(
            label for guess, true in pairs if guess != true for label in (guess, true)
        )
        labels = sorted(sorted(labels, key=lambda label: -mistakes[label])[:MAX_CLASSES])
    shown = [pair for pair in zip(predictions, references, strict=True) if {*pair} <= {*labels}]
    names = [_shown(label) for label in labels]
    side = 2.5 + 0.7 * len(labels) + _extra_inches(names)
    with _figure(file, (side + 1, side), names) as figure:
        ConfusionMatrixDisplay.from_predictions(
            [true for _, true in shown],
            [guess for guess, _ in shown],
            labels=labels,
            display_labels=names,
            normalize="true",
            values_format=".2f",
            cmap="Blues",
            xticks_rotation=45,
            ax=figure.subplots(),
        )


def plot_entity_scores(scores: Mapping[str, float], file: Path) -> None:
    """Write precision, recall and F1 of every entity type as bars, as PNG."""
    found = (name.removeprefix("type/") for name in scores if name.startswith("type/"))
    types = sorted({name.rpartition("/")[0] for name in found})
    names = [_shown(name) for name in types]
    with _figure(file, (7 + _extra_inches(names), 1.5 + 0.6 * len(types)), names) as figure:
        axes = figure.subplots()
        for index, metric in enumerate(("precision", "recall", "f1")):
            places = [row + 0.27 * (index - 1) for row in range(len(types))]
            axes.barh(places, [scores[f"type/{t}/{metric}"] for t in types], 0.25, label=metric)
        axes.set(xlim=(0, 1), yticks=range(len(types)), yticklabels=names)
        axes.invert_yaxis()
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)


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
    with _figure(file, (9, 3.5)) as figure:
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
    with _figure(file, (7, 4.5)) as figure:
        axes = figure.subplots()
        lengths = [tokens for points in runs.values() for tokens, _ in points]
        grid = np.geomspace(min(lengths), max(lengths))
        for parameters, points in sorted(runs.items()):
            (line,) = axes.plot(grid, [predict(parameters, tokens) for tokens in grid])
            label = f"{parameters:,} parameters"
            axes.plot(*zip(*points, strict=True), "o", color=line.get_color(), label=label)
        axes.set(xscale="log", xlabel="tokens", ylabel="validation loss, nats a token")
        axes.legend(title="runs, and the law as lines")
