"""Plots of scores, with labels as they are spelt."""

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

_LABEL_CHARS = 40
_ROOM_INCHES = 0.06  # beside a letter that the font lacks, which is wider than it is taken for


@contextmanager
def open_figure(
    file: Path, size: tuple[float, float], labels: Sequence[str] = ()
) -> Iterator[Figure]:
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


def shown_label(label: str) -> str:
    """Return a label as a line of bounded length, without characters that show nothing."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in label)
    return line if len(line) <= _LABEL_CHARS else f"{line[: _LABEL_CHARS - 1]}…"


def extra_inches(names: Sequence[str]) -> float:
    """Return how much larger long names make a picture."""
    return 0.08 * (max([12, *map(len, names)]) - 12)


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
    with open_figure(file, (7, 4.5)) as figure:
        axes = figure.subplots()
        lengths = [tokens for points in runs.values() for tokens, _ in points]
        grid = np.geomspace(min(lengths), max(lengths))
        for parameters, points in sorted(runs.items()):
            (line,) = axes.plot(grid, [predict(parameters, tokens) for tokens in grid])
            label = f"{parameters:,} parameters"
            axes.plot(*zip(*points, strict=True), "o", color=line.get_color(), label=label)
        axes.set(xscale="log", xlabel="tokens", ylabel="validation loss, nats a token")
        axes.legend(title="runs, and the law as lines")
