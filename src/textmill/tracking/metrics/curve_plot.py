"""The plot of a learning curve.

It is not in the step's output, so that a changed axis label recomputes nothing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from textmill.errors import best_effort
from textmill.evaluation.learning_curve import FILE, LearningCurve
from textmill.files import read_json
from textmill.tracking.store import Store

NAME = "learning_curve.png"


def log_curve_plot(store: Store, run_id: str, out: Path) -> None:
    """Log the plot of the output of a curve step to its run.

    Raises:
        StoreError: the store failed.
    """
    from textmill.evaluation.plots import plot_learning_curve  # loads matplotlib

    with (
        best_effort("the plot of the learning curve"),
        store.as_store_errors(),
        tempfile.TemporaryDirectory() as folder,
    ):
        curve = LearningCurve.model_validate(read_json(out / FILE))
        plot_learning_curve(curve, Path(folder, NAME))
        store.client.log_artifacts(run_id, folder, "plots")
