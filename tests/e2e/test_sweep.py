"""Specifies a sweep from outside: computed, killed, resumed, and its best settings reused."""

from __future__ import annotations

import json
import re
import signal

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import SMALL, Product, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

WORDS = [
    *(word for word in SMALL if not word.startswith(("tasks.", "finetune."))),
    "tasks=[sample-topic]",
    "finetune.epochs=3",
    "finetune.learning_rate=1e-6",  # any trial is better
]
SWEEP = ["sweep.trials=4", "sweep.space.finetune.learning_rate={low: 3e-4, high: 0.02, log: true}"]


def children(product: Product, kind: str) -> list[Run]:
    """The runs of a kind, the oldest first."""
    client = MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")
    experiments = [e.experiment_id for e in client.search_experiments()]
    order = ["attributes.start_time ASC"]
    return list(client.search_runs(experiments, f"tags.`textmill.kind`='{kind}'", order_by=order))


def outcomes(runs: list[Run]) -> list[tuple[str, str, float]]:
    return [
        (run.info.run_name, run.data.params["finetune.learning_rate"], score)
        for run in runs
        if (score := run.data.metrics["best_validation_accuracy"]) is not None
    ]


@pytest.mark.timeout(1200)
def test_a_killed_sweep_continues_and_a_plain_run_reuses_its_best_model(product: Product) -> None:
    process = product.start("sweep", "topic", *WORDS, *SWEEP)

    def has_begun() -> bool:
        return "trial 2: step" in (product.folder / "stderr").read_text()

    wait_until(lambda: has_begun() or process.poll() is not None, 300)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    before = outcomes(children(product, "trial"))
    assert [name for name, _, _ in before][:2] == ["trial 0", "trial 1"]

    done = product.run("sweep", "topic", *WORDS, *SWEEP, timeout_s=600)
    assert done.returncode == 0, done.stderr
    assert "finetune topic: reused" in done.stderr
    assert re.search(r"trial 1 \(learning_rate=\S+\): reused validation accuracy", done.stderr)
    after = outcomes(children(product, "trial"))[len(before) :]
    assert after[: len(before)] == before
    assert [name for name, _, _ in after] == [f"trial {n}" for n in range(5)]
    assert not [*product.folder.glob("mlruns/wip/*/work")]

    assert "| as configured |" in done.stderr
    override = re.findall(r"^ +(tasks\.topic\.finetune\.learning_rate=\S+)$", done.stderr, re.M)
    (configured,) = [run for run in children(product, "step") if _is_plain(run)]
    used = product.run("finetune", "topic", *WORDS, *override)
    assert used.returncode == 0, used.stderr
    assert "finetune topic: reused" in used.stderr
    predicted = product.run("predict", "topic", "The team won.", *WORDS)
    best = json.loads(predicted.stdout)["run"]
    assert best in used.stderr
    assert best != configured.info.run_id


def _is_plain(run: Run) -> bool:
    return run.data.tags["textmill.step"] == "finetune" and "textmill.trial" not in run.data.tags


def test_a_key_that_cannot_be_searched_is_one_message(product: Product) -> None:
    done = product.run("sweep", "topic", *WORDS, "tasks.topic.sweep.space.finetune.epoch=[1,2]")
    assert done.returncode == 2
    assert "did you mean finetune.epochs?" in done.stderr
    assert "Traceback" not in done.stderr
