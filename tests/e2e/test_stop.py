from __future__ import annotations

import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import SMALL, Product, wait_until

pytestmark = pytest.mark.filterwarnings("ignore")

LONG = [*SMALL, "pretrain.max_steps=160", "pretrain.checkpoint_every_steps=10"]


def runs_of(product: Product) -> list[Run]:
    client = MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")
    return client.search_runs([e.experiment_id for e in client.search_experiments()])


def states_in_prefect(product: Product, flow_runs: set[str]) -> dict[str, Counter[str]]:
    """Count the states of flow runs and their task runs, as Prefect's pages show them."""
    assert product.prefect_home is not None
    with closing(sqlite3.connect(product.prefect_home / "prefect.db")) as database:
        found = {
            table: database.execute(f"SELECT {key}, state_type FROM {table}").fetchall()
            for table, key in (("flow_run", "id"), ("task_run", "flow_run_id"))
        }
    return {
        table: Counter(state for run, state in rows if str(run).replace("-", "") in flow_runs)
        for table, rows in found.items()
    }


def weights_of(product: Product) -> bytes:
    (file,) = (product.folder / "mlruns" / "artifacts").glob("*/artifacts/output/model.safetensors")
    return Path(file).read_bytes()


@pytest.mark.slow
def test_a_killed_training_goes_on_in_its_run_to_the_same_weights(
    product: Product, tmp_path_factory: pytest.TempPathFactory
) -> None:
    delayed_interrupts = Product(
        tmp_path_factory.mktemp("delayed_interrupts"), product.prefect_home
    )
    assert delayed_interrupts.run("pretrain", *LONG).returncode == 0

    assert product.stop_in_training(signal.SIGKILL, "pretrain", *LONG, step=40) == -signal.SIGKILL
    done = product.run("pretrain", *LONG)
    assert done.returncode == 0, done.stderr
    assert "Resuming pretrain" in done.stderr

    trained = [run for run in runs_of(product) if run.info.run_name == "pretrain"]
    assert [run.info.status for run in trained] == ["FINISHED"]
    assert weights_of(product) == weights_of(delayed_interrupts)
    parents = [run for run in runs_of(product) if run.data.tags["textmill.kind"] == "pipeline"]
    assert sorted(run.info.status for run in parents) == ["FINISHED", "KILLED"]
    known = {run.data.tags["prefect.flow_run_id"].replace("-", "") for run in parents}
    assert states_in_prefect(product, known) == {
        "flow_run": Counter(CRASHED=1, COMPLETED=1),
        "task_run": Counter(CRASHED=1, COMPLETED=9),
    }
    client = MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")
    points = client.get_metric_history(trained[0].info.run_id, "train/loss")
    assert [point.step for point in points] == list(range(10, 161, 10))


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow, id="SIGINT"),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow, id="SIGTERM"),
    ],
)
def test_a_stopped_run_saves_its_training_and_leaves_nothing_running(
    product: Product, number: signal.Signals, status: int
) -> None:
    long = [*LONG, "pretrain.max_steps=5000", "pretrain.checkpoint_every_steps=5000"]
    assert product.stop_in_training(number, "pretrain", *long, step=10) == status
    (saved,) = product.in_work("checkpoints/step-*")
    assert int(saved.name.removeprefix("step-")) >= product.newest_step()
    assert "RUNNING" not in {run.info.status for run in runs_of(product)}


@pytest.mark.slow
@pytest.mark.parametrize("pause_s", [0.05, 1.0, 3.0])
def test_two_interrupts_still_say_that_running_again_goes_on(
    product: Product, pause_s: float
) -> None:
    process = product.start("pretrain", *LONG, "pretrain.max_steps=5000")
    wait_until(lambda: product.newest_step() >= 10 or process.poll() is not None, 120)
    process.send_signal(signal.SIGINT)
    time.sleep(pause_s)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    said = (product.folder / "stderr").read_text().splitlines()
    assert said[-1] == "textmill: Stopped. Run the same command again to resume."
