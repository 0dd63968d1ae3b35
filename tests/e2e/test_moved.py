"""Specifies that a store works wherever it is moved or copied, in every command and page."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import SMALL, Product, wait_until
from tests.e2e.servers import free_port
from textmill.config import TrackingConfig
from textmill.files import digest_file
from textmill.tracking.store import Store

pytestmark = pytest.mark.slow


def digests(home: Path) -> dict[str, str]:
    """Of all that tells results: not of Prefect's history, nor of locks."""
    files = [home / "mlflow.db", *(home / "artifacts").rglob("*"), *(home / "prepared").rglob("*")]
    return {str(file): digest_file(file) for file in files if file.is_file()}


@contextmanager
def pages(product: Product) -> Iterator[str]:
    """The address of MLflow's pages on a store."""
    ports = [free_port(), free_port()]
    settings = [f"tracking.mlflow_port={ports[0]}", f"tracking.prefect_port={ports[1]}"]
    process = product.start("ui", *settings)
    try:
        wait_until(
            lambda: (
                "Ctrl-C" in (product.folder / "stderr").read_text() or process.poll() is not None
            ),
            180,
        )
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        process.terminate()
        process.wait(60)


def test_nobody_else_can_read_what_a_run_makes(finished: Product) -> None:
    made = list((finished.folder / "mlruns").rglob("*"))
    assert len(made) > 500
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_a_copy_under_another_name_works_and_leaves_the_original_alone(
    finished: Product, tmp_path: Path
) -> None:
    original = finished.folder / "mlruns"
    before = digests(original)
    copy = Product(tmp_path / "q?x#y 50% é")
    shutil.copytree(original, copy.folder / "mlruns")
    store = Store(TrackingConfig(home=str(original)))
    (parent,) = store.search("tags.`textmill.pipeline`='pipeline'", 1)
    run_id = parent.info.run_id

    again = copy.run("run", *SMALL)
    assert again.returncode == 0, again.stderr
    assert "computed" not in again.stderr
    assert "was moved from" in again.stderr
    for words in (["predict", "topic", "a text"], ["generate", "The"], ["lineage", run_id]):
        done = copy.run(*words)
        assert done.returncode == 0, done.stderr
        assert str(original) not in done.stdout + done.stderr
    assert copy.run("promote", "topic").returncode == 0
    newest = Store(TrackingConfig(home=str(copy.folder / "mlruns")))
    compared = copy.run(
        "compare", run_id, newest.search("tags.`textmill.kind`='pipeline'", 1)[0].info.run_id
    )
    assert compared.returncode == 0, compared.stderr

    with pages(copy) as url:
        address = f"{url}/ajax-api/2.0/mlflow/artifacts/list?run_id={run_id}"
        with urllib.request.urlopen(address) as answer:
            names = {file["path"] for file in json.load(answer)["files"]}
        assert {"config.yaml", "report.html"} <= names
        with urllib.request.urlopen(
            f"{url}/get-artifact?path=config.yaml&run_uuid={run_id}"
        ) as file:
            assert b"experiment: demo" in file.read()

    load = (
        "import mlflow, pandas, sys; mlflow.set_tracking_uri(sys.argv[1]); "
        "model = mlflow.pyfunc.load_model('models:/demo.topic/1'); "
        "print(model.predict(pandas.DataFrame({'text': ['a text']})))"
    )
    plain = subprocess.run(
        [sys.executable, "-c", load, newest.uri], cwd=tmp_path, capture_output=True, text=True
    )
    assert plain.returncode == 0, plain.stderr
    assert "label" in plain.stdout

    pruned = copy.run("prune", "--keep", "0", "--yes")
    assert pruned.returncode == 0, pruned.stderr
    assert "Removed: " in pruned.stdout
    assert digests(original) == before
    assert {path.name for path in tmp_path.iterdir()} == {copy.folder.name}
