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
SWEEP = ["sweep.trials=6", "sweep.space.finetune.learning_rate={low: 3e-4, high: 0.02, log: true}"]


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


def test_a_killed_sweep_continues_and_a_plain_run_reuses_its_best_model(product: Product) -> None:
    process = product.start("sweep", "topic", *WORDS, *SWEEP)

    def has_begun() -> bool:
        return "trial 2: step" in (product.folder / "stderr").read_text()

    wait_until(lambda: has_begun() or process.poll() is not None, 300)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    before = outcomes(children(product, "trial"))
    assert [name for name, _, _ in before][:2] == ["trial 1", "trial 2"][: len(before)]

    done = product.run("sweep", "topic", *WORDS, *SWEEP, timeout_s=600)
    assert done.returncode == 0, done.stderr
    assert "finetune topic: reused" in done.stderr
    assert re.search(r"trial 1 \(learning_rate=\S+\): reused validation accuracy", done.stderr)
    second = outcomes(children(product, "trial"))[len(before) :]
    assert second[: len(before)] == before
    assert [name for name, _, _ in second] == [f"trial {n}" for n in [*range(1, 7), 0]]
    assert not [*product.folder.glob("mlruns/wip/*/work")]

    again = product.run("sweep", "topic", *WORDS, *SWEEP)
    assert again.returncode == 0, again.stderr
    third = outcomes(children(product, "trial"))[len(before) + len(second) :]
    assert third == second
    assert ": computed" not in again.stderr

    (table,) = re.findall(r"^\| topic: trial (?:.*\n)+?\n", done.stderr, flags=re.M)
    assert "| as configured |" in table
    override = re.findall(r"^ +(tasks\.topic\.finetune\.learning_rate=\S+)$", done.stderr, re.M)
    ask = ["predict", "topic", "The team won.", *WORDS]
    (configured,) = [r for r in children(product, "step") if _is_plain(r)]
    assert json.loads(product.run(*ask).stdout)["run"] == configured.info.run_id
    used = product.run("finetune", "topic", *WORDS, *override)
    assert used.returncode == 0, used.stderr
    assert "finetune topic: reused" in used.stderr
    best = json.loads(product.run(*ask).stdout)["run"]
    assert best in used.stderr
    assert best != configured.info.run_id


def _is_plain(run: Run) -> bool:
    return run.data.tags["textmill.step"] == "finetune" and "textmill.trial" not in run.data.tags


def test_a_key_that_cannot_be_searched_is_one_message(product: Product) -> None:
    done = product.run("sweep", "topic", *WORDS, "tasks.topic.sweep.space.finetune.epoch=[1,2]")
    assert done.returncode == 2
    assert "did you mean finetune.epochs?" in done.stderr
    assert "Traceback" not in done.stderr
