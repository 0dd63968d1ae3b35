"""Charts as inline SVG that uses the colours of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Points = Sequence[tuple[int, float]]

# Placeholders that are replaced by CSS variables, so that charts follow light and dark mode.
_INK, _LINE = "#010203", "#010204"
_SERIES = ("#010205", "#010206", "#010207", "#010208")
_VARIABLES = {_INK: "--soft", _LINE: "--line"} | {
    colour: f"--series-{number}" for number, colour in enumerate(_SERIES, 1)
}
_MAX_POINTS_WITH_MARKERS = 20
_SIZE_INCHES = (5.0, 2.9)
_MARGINS = {"left": 0.13, "right": 0.94, "bottom": 0.16, "top": 0.98}
"""Of losses, whose tick labels are short; a layout engine would draw the figure twice."""
_STYLE: dict[Any, Any] = {  # matplotlib's stubs know each setting's name as a type
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "svg.fonttype": "none",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def loss_chart(curves: Mapping[str, Points], xlabel: str = "optimizer step") -> str:
    """Return the loss curves as an inline SVG element.

    Args:
        curves: by name, points of step and loss in nats.
        xlabel: label of the horizontal axis.
    """
    with _drawing(sorted(curves.items())) as figure:
        figure.subplots_adjust(**_MARGINS)
        axes = figure.subplots()
        for colour, (name, points) in zip(_SERIES, sorted(curves.items()), strict=False):
            steps, values = [step for step, _ in points], [value for _, value in points]
            marker = "o" if len(points) < _MAX_POINTS_WITH_MARKERS else None
            axes.plot(
                steps, values, label=name, color=colour, marker=marker, markersize=3, linewidth=1.4
            )
        axes.set(xlabel=xlabel, ylabel="loss (nats)")
        axes.grid(axis="y", color=_LINE, linewidth=0.6)
        axes.tick_params(length=0)
        axes.legend(frameon=False)
        return _drawn(figure)


def histogram_chart(edges: Sequence[int], counts: Sequence[int], xlabel: str, ylabel: str) -> str:
    """Return a histogram with a logarithmic axis as an inline SVG element.

    Args:
        edges: (bins + 1,) edges of the bins, ascending from at least 1.
        counts: (bins,)
        xlabel: label of the horizontal axis.
        ylabel: label of the vertical axis.
    """
    from matplotlib.ticker import LogLocator, NullLocator

    with _drawing((xlabel, edges, counts)) as figure:
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        axes.stairs(counts, edges, fill=True, color=_SERIES[0])
        axes.set(xscale="log", xlabel=xlabel, ylabel=ylabel)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(axis="y", color=_LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        return _drawn(figure)


@contextmanager
def _drawing(data: object) -> Iterator[Figure]:
    """Yield a figure in the style of the page."""
    # Imported here, as commands that print tables import this module as well.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Ids are salted hashes: with the data as salt, they are unique on a page and reproducible.
    with mpl.rc_context(_STYLE | {"svg.hashsalt": repr(data)}):
        yield Figure(figsize=_SIZE_INCHES)


def _drawn(figure: Figure) -> str:
    content = io.StringIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return _inline(content.getvalue())


def subsample(points: Points, max_points: int) -> Points:
    """Return at most `max_points` evenly spaced points, including the first and the last."""
    if len(points) <= max_points:
        return points
    return [points[i * (len(points) - 1) // (max_points - 1)] for i in range(max_points)]


def _inline(document: str) -> str:
    """Return the svg element of a document, without fixed size, styles and unused ids."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", svg)
    svg = re.sub(r"font-family: [^;\"]*; ", "", svg)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, f"var({name})")
    return svg.replace("<svg ", '<svg role="img" ', 1)
