"""The plot of a training's losses."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from mlflow.entities import Metric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_POINTS_WITH_MARKERS = 20


def loss_curve(points: list[Metric]) -> Figure:
    """Return the curves of all losses over the optimizer steps."""
    from matplotlib.figure import Figure

    curves: dict[str, dict[int, float]] = defaultdict(dict)
    for point in points:
        if point.key.endswith("loss"):
            curves[point.key][point.step] = point.value
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, curve in sorted(curves.items()):
        marker = "o" if len(curve) < MAX_POINTS_WITH_MARKERS else None
        axes.plot(list(curve), list(curve.values()), label=name, marker=marker, markersize=3)
    axes.set(xlabel="optimizer step", ylabel="loss (nats)")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
