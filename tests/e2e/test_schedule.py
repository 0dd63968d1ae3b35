"""Serves the retraining by the clock, as `textmill schedule` does."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow.entities import Run

from tests.e2e.conftest import SMALL, Product, wait_until
from tests.e2e.servers import free_port
from textmill.config import TrackingConfig
from textmill.tracking.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

EVERY_MINUTE = ["schedule", "--cron", "* * * * *", "--trigger", "data"]
USER_FILE = """
defaults: [demo, _self_]
experiment: notes
sample: null
corpus:
  sources: [{name: notes, path: notes.jsonl, text: text}]
  near_duplicates: {enabled: false}
tasks: []
"""
SMALLER = [word for word in SMALL if not word.startswith(("tasks.", "sample."))]
WORDS = "The quiet river {} passes the old mill, and nobody {} counts its days. "


def write_notes(folder: Path, n: int) -> None:
    lines = (json.dumps({"text": WORDS.format(i, i * i) * 3}) for i in range(n))
    (folder / "notes.jsonl").write_text("\n".join(lines), encoding="utf-8")


def pipelines(product: Product) -> list[Run]:
    store = Store(TrackingConfig(home=str(product.folder / "mlruns")))
    return store.search("tags.`textmill.kind` = 'pipeline'")


@contextmanager
def served(product: Product, *settings: str) -> Iterator[subprocess.Popen[str]]:
    """Serve the schedule for as long as this lasts."""
    port = f"tracking.prefect_port={free_port()}"
    process = product.start(*EVERY_MINUTE, "--config", "notes.yaml", port, *SMALLER, *settings)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def said(product: Product) -> str:
    return "".join((product.folder / name).read_text() for name in ("stdout", "stderr"))


def wait_for(words: str, product: Product, process: subprocess.Popen[str]) -> None:
    wait_until(lambda: words in said(product) or process.poll() is not None, 300)
    assert words in said(product)


def test_data_are_retrained_for_once_whenever_it_is_stopped_and_started(product: Product) -> None:
    (product.folder / "notes.yaml").write_text(USER_FILE, encoding="utf-8")
    for n_notes, number, status in ((300, signal.SIGTERM, 143), (310, signal.SIGINT, 130)):
        write_notes(product.folder, n_notes)
        with served(product) as process:
            for state in (
                "Retrained(",
                "NothingDone('the data have not changed since the last finished run",
            ):
                wait_for(f"Finished in state {state}", product, process)
            process.send_signal(number)
            assert process.wait(60) == status, said(product)
        assert "Traceback" not in said(product)
    runs = pipelines(product)
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    assert len({run.data.tags["textmill.event"] for run in runs}) == 2


def test_stopped_in_training_it_goes_on_in_the_same_run(product: Product) -> None:
    # The other test, whose home of Prefect this one shares, has served its own a moment ago.
    own = USER_FILE.replace("experiment: notes", "experiment: stopped")
    (product.folder / "notes.yaml").write_text(own, encoding="utf-8")
    write_notes(product.folder, 300)
    longer = "pretrain.max_steps=4000"
    store = Store(TrackingConfig(home=str(product.folder / "mlruns")))
    with served(product, longer) as process:
        wait_until(lambda: product.newest_step() >= 20 or process.poll() is not None, 200)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143, said(product)
    assert store.search("attributes.status = 'RUNNING'") == []
    with served(product, longer) as process:
        wait_for("Finished in state Retrained(", product, process)
    trained = store.search("tags.`textmill.step` = 'pretrain'")
    assert [run.info.status for run in trained] == ["FINISHED"]
