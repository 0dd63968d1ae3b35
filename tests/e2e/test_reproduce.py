from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import Product
from tests.e2e.test_bad_input import CONFIG, NOTE, TRAIN

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def client_of(product: Product) -> MlflowClient:
    return MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")


def parents_of(product: Product) -> list[Run]:
    """The pipeline runs, the newest first."""
    client = client_of(product)
    experiments = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(experiments, "tags.`textmill.kind`='pipeline'"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A user's folder in which a run of the smallest size has finished."""
    product = Product(tmp_path_factory.mktemp("made"))
    (product.folder / "my.yaml").write_text(CONFIG)
    (product.folder / "notes.jsonl").write_text("".join(NOTE % i for i in range(200)))
    (product.folder / "train.csv").write_text(TRAIN)
    (product.folder / "test.csv").write_text("text,label\na fine day,good\n")
    done = product.run("run", "--config", "my.yaml")
    assert done.returncode == 0, done.stderr
    return product


def reproduce(made: Product, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    elsewhere = Product(folder, made.folder / "mlruns" / "prefect")
    first = parents_of(made)[-1].info.run_id
    return elsewhere.run("reproduce", first[:12], f"tracking.home={made.folder}/mlruns", *words)


def test_a_run_is_reproduced_from_another_folder_with_every_digest_equal(
    made: Product, tmp_path: Path
) -> None:
    done = reproduce(made, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all digests and metrics are equal" in done.stderr
    assert ": reused" not in done.stderr
    newest, *_, first = parents_of(made)
    assert newest.data.tags["textmill.reproduces"] == first.info.run_id
    assert newest.data.metrics == first.data.metrics
    assert newest.info.status == "FINISHED"
    file = client_of(made).download_artifacts(newest.info.run_id, "reproduction.json")
    steps = {step["label"]: step["verdict"] for step in json.loads(Path(file).read_text())["steps"]}
    assert {"clean", "tokens", "pretrain", "evaluate-lm", "evaluate mood"} < steps.keys()
    assert set(steps.values()) == {"equal"}


def test_changed_data_stop_it_before_anything_is_computed(made: Product, tmp_path: Path) -> None:
    before = len(parents_of(made))
    (made.folder / "test.csv").write_text("text,label\na grey day,bad\n")
    try:
        done = reproduce(made, tmp_path)
        anyway = reproduce(made, tmp_path, "--anyway")
    finally:
        (made.folder / "test.csv").write_text("text,label\na fine day,good\n")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "mood/test" in done.stderr
    assert len(parents_of(made)) == before + 1  # that of --anyway alone
    assert anyway.returncode == 1, anyway.stderr
    assert "| evaluate mood | " in anyway.stderr
    assert re.search(r"\| pretrain \| (\d+) of \1 \| (\d+) of \2 \| equal \|", anyway.stderr)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["abcdef0123456789"], "There is no run 'abcdef0123456789'"),
        ([""], "There is no run ''"),
        (
            ["0", "pretrain.seed=3"],
            "pretrain.seed=3: a run is reproduced with its recorded settings",
        ),
        (["0", "--moved", "here"], "There is no run '0'"),
    ],
)
def test_a_run_that_cannot_be_meant_is_named(
    made: Product, tmp_path: Path, words: list[str], named: str
) -> None:
    elsewhere = Product(tmp_path, made.folder / "mlruns" / "prefect")
    done = elsewhere.run("reproduce", *words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert named in done.stderr
