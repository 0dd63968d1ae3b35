"""Specifies the plot of a learning curve: an artifact of the step's run, not of its output."""

from __future__ import annotations

from pathlib import Path

from tests.evaluation.test_learning_curve import curve_of
from textmill.evaluation.learning_curve import FILE
from textmill.files import write_json
from textmill.tracking.metrics.curve_plot import NAME, log_curve_plot
from textmill.tracking.store import Store


def test_the_plot_is_logged_to_the_run(store: Store, tmp_path: Path) -> None:
    run_id = store.start_run(store.experiment("curves"), "curve mood", {})
    curve = curve_of({("random", 100): [0.5, 0.7], ("random", 200): [0.8, 0.9]})
    write_json(tmp_path / FILE, curve.model_dump())
    log_curve_plot(store, run_id, tmp_path)
    (plot,) = store.client.list_artifacts(run_id, "plots")
    assert plot.path == f"plots/{NAME}"
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
