from __future__ import annotations

import signal
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import SMALL, Product

pytestmark = pytest.mark.filterwarnings("ignore")

LONG = [*SMALL, "pretrain.max_steps=160", "pretrain.checkpoint_every_steps=10"]


def runs_of(product: Product) -> list[Run]:
    client = MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")
    return client.search_runs([e.experiment_id for e in client.search_experiments()])


def weights_of(product: Product) -> bytes:
    (file,) = (product.folder / "mlruns" / "artifacts").glob("*/artifacts/output/model.safetensors")
    return Path(file).read_bytes()


def test_a_killed_training_goes_on_in_its_run_to_the_same_weights(
    product: Product, tmp_path_factory: pytest.TempPathFactory
) -> None:
    undisturbed = Product(tmp_path_factory.mktemp("undisturbed"), product.prefect_home)
    assert undisturbed.run("pretrain", *LONG).returncode == 0

    assert product.stop_in_training(signal.SIGKILL, "pretrain", *LONG, step=40) == -signal.SIGKILL
    done = product.run("pretrain", *LONG)
    assert done.returncode == 0, done.stderr
    assert "Going on with pretrain" in done.stderr

    trained = [run for run in runs_of(product) if run.info.run_name == "pretrain"]
    assert [run.info.status for run in trained] == ["FINISHED"]
    assert weights_of(product) == weights_of(undisturbed)
    parents = [run for run in runs_of(product) if run.data.tags["textmill.kind"] == "pipeline"]
    assert sorted(run.info.status for run in parents) == ["FINISHED", "KILLED"]
    client = MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")
    points = client.get_metric_history(trained[0].info.run_id, "train/loss")
    assert [point.step for point in points] == list(range(10, 161, 10))


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow, id="SIGINT"),
        pytest.param(signal.SIGTERM, 143, id="SIGTERM"),
    ],
)
def test_a_stopped_run_saves_its_training_and_leaves_nothing_running(
    product: Product, number: signal.Signals, status: int
) -> None:
    long = [*LONG, "pretrain.max_steps=5000", "pretrain.checkpoint_every_steps=5000"]
    assert product.stop_in_training(number, "pretrain", *long, step=10) == status
    (saved,) = product.folder.glob("mlruns/wip/*/work/checkpoints/step-*")
    assert int(saved.name.removeprefix("step-")) >= product.newest_step()
    assert "RUNNING" not in {run.info.status for run in runs_of(product)}
