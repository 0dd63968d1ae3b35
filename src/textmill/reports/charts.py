"""Curves as inline SVG that takes its colours from the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Points = Sequence[tuple[int, float]]

# Stand-ins that become the page's variables, so that a chart follows light and dark.
_INK, _LINE = "#010203", "#010204"
_SERIES = ("#010205", "#010206", "#010207", "#010208")
_VARIABLES = {_INK: "--soft", _LINE: "--line"} | {
    colour: f"--series-{number}" for number, colour in enumerate(_SERIES, 1)
}
_FEW_POINTS = 20
_SIZE_INCHES = (5.0, 2.9)
_MARGINS = {"left": 0.13, "right": 0.99, "bottom": 0.16, "top": 0.98}
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
    """Return the curves over the steps, as an SVG element to stand inside a page.

    Args:
        curves: by name, points of step and loss in nats.
        xlabel: what the steps are.
    """
    with _drawing(sorted(curves.items())) as figure:
        figure.subplots_adjust(**_MARGINS)
        axes = figure.subplots()
        for colour, (name, points) in zip(_SERIES, sorted(curves.items()), strict=False):
            steps, values = [step for step, _ in points], [value for _, value in points]
            marker = "o" if len(points) < _FEW_POINTS else None
            axes.plot(
                steps, values, label=name, color=colour, marker=marker, markersize=3, linewidth=1.4
            )
        axes.set(xlabel=xlabel, ylabel="loss (nats)")
        axes.grid(axis="y", color=_LINE, linewidth=0.6)
        axes.tick_params(length=0)
        axes.legend(frameon=False)
        return _drawn(figure)


def histogram_chart(edges: Sequence[int], counts: Sequence[int], xlabel: str, ylabel: str) -> str:
    """Return a histogram over a logarithmic axis, as an SVG element to stand inside a page.

    Args:
        edges: (bins + 1,) where each bin begins, ascending from at least 1, and the last one ends.
        counts: (bins,)
        xlabel: what is measured.
        ylabel: what is counted.
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
    # Loaded here, as tables in a terminal take their words from pages too.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Ids are hashes of what they name: with the data as salt, charts on one page differ.
    with mpl.rc_context(_STYLE | {"svg.hashsalt": repr(data)}):
        yield Figure(figsize=_SIZE_INCHES)


def _drawn(figure: Figure) -> str:
    content = io.StringIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return _inline(content.getvalue())


def thin_out(points: Points, most: int) -> Points:
    """Return at most so many points, evenly spaced, the first and the last among them."""
    if len(points) <= most:
        return points
    return [points[i * (len(points) - 1) // (most - 1)] for i in range(most)]


def _inline(document: str) -> str:
    """Return the svg element of a document, sized by the page and without ids of no use."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", svg)
    svg = re.sub(r"font-family: [^;\"]*; ", "", svg)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, f"var({name})")
    return svg.replace("<svg ", '<svg role="img" ', 1)
