"""Serves the retraining by the clock, as `textmill schedule` does."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest
from mlflow.entities import Run

from tests.e2e.conftest import SMALL, Product, wait_until
from textmill.config import TrackingConfig
from textmill.tracking.store import Store

pytestmark = pytest.mark.slow

EVERY_MINUTE = ["schedule", "--cron", "* * * * *", "--trigger", "data"]
USER_FILE = """
defaults: [demo, _self_]
experiment: notes
sample: null
corpus:
  sources: [{name: notes, path: notes.jsonl, text: text}]
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


def test_data_are_retrained_for_once_whenever_it_is_stopped_and_started(product: Product) -> None:
    (product.folder / "notes.yaml").write_text(USER_FILE, encoding="utf-8")
    write_notes(product.folder, 300)
    settings = [
        "--config",
        "notes.yaml",
        *(w for w in SMALL if not w.startswith(("tasks", "samp"))),
    ]
    err = product.folder / "stderr"

    def said(words: str, times: int) -> bool:
        return err.read_text().count(words) >= times

    process = product.start(*EVERY_MINUTE, *settings)
    wait_until(lambda: said("report:", 1) or process.poll() is not None, 240)
    wait_until(lambda: said("the data are those of the last finished run", 1), 150)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143, err.read_text()
    assert "Traceback" not in err.read_text()
    (first,) = pipelines(product)
    assert first.info.status == "FINISHED"

    write_notes(product.folder, 310)
    process = product.start(*EVERY_MINUTE, *settings)
    wait_until(lambda: said("report:", 1) or process.poll() is not None, 240)
    wait_until(lambda: said("the data are those of the last finished run", 1), 150)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130, err.read_text()
    events = Counter(run.data.tags["textmill.event"] for run in pipelines(product))
    assert set(events.values()) == {1}
    assert len(events) == 2


def test_stopped_in_training_it_goes_on_in_the_same_run(product: Product) -> None:
    (product.folder / "notes.yaml").write_text(USER_FILE, encoding="utf-8")
    write_notes(product.folder, 300)
    settings = [
        "--config",
        "notes.yaml",
        *(w for w in SMALL if not w.startswith(("tasks", "samp"))),
    ]
    settings += ["pretrain.max_steps=4000"]
    process = product.start(*EVERY_MINUTE, *settings)
    wait_until(lambda: product.newest_step() >= 20 or process.poll() is not None, 240)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143, (product.folder / "stderr").read_text()
    store = Store(TrackingConfig(home=str(product.folder / "mlruns")))
    assert store.search("attributes.status = 'RUNNING'") == []

    process = product.start(*EVERY_MINUTE, *settings)
    err = product.folder / "stderr"
    wait_until(lambda: "report:" in err.read_text() or process.poll() is not None, 400)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143, err.read_text()
    trained = store.search("tags.`textmill.step` = 'pretrain'")
    assert [run.info.status for run in trained] == ["FINISHED"]
