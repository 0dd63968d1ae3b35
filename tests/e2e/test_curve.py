"""Specifies the learning curve from outside: computed, resumed, reused, and shown."""

from __future__ import annotations

import signal

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import SMALL, Product, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

WORDS = [
    *(word for word in SMALL if not word.startswith("tasks.")),
    "tasks=[sample-topic]",
    "finetune.epochs=1",
    "curve.labels=[50]",
    "curve.seeds=1",
]
ARMS = ("baseline", "lstm", "random", "pretrained")


def runs_of(product: Product, name: str) -> list[Run]:
    client = MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")
    experiments = [e.experiment_id for e in client.search_experiments()]
    return [run for run in client.search_runs(experiments) if run.info.run_name == name]


def n_points(product: Product) -> int:
    return len(product.in_work("points/*.json"))


def test_a_killed_curve_continues_and_the_report_of_a_run_shows_it(product: Product) -> None:
    process = product.start("curve", "topic", *WORDS)
    wait_until(lambda: n_points(product) >= 3 or process.poll() is not None, 120)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    done = product.run("curve", "topic", *WORDS)
    assert done.returncode == 0, done.stderr
    assert "Resuming curve topic" in done.stderr
    assert "| topic/accuracy by labels | 50 | all 200 |" in done.stderr
    (curve,) = runs_of(product, "curve topic")
    assert curve.info.status == "FINISHED"
    names = {f"curve/{arm}/{size}" for arm in ARMS for size in (50, "all")}
    assert names <= curve.data.metrics.keys()
    client = MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")
    (plot,) = client.list_artifacts(curve.info.run_id, "plots")
    assert plot.path == "plots/learning_curve.png"

    done = product.run("run", *WORDS, "tasks.topic.curve.enabled=true", "promotion.enabled=false")
    assert done.returncode == 0, done.stderr
    assert "curve topic: reused" in done.stderr
    (report,) = product.folder.glob("mlruns/artifacts/*/artifacts/report.html")
    assert 'alt="Learning curve of topic"' in report.read_text()
