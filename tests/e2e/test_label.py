"""Specifies the way from a label to a new model: asked for, saved, noticed, and trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import SMALL, Product
from tests.e2e.test_schedule import pipelines, write_notes
from tests.tasks.conftest import toy_rows, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

USER_FILE = """
defaults: [demo, _self_]
experiment: moods
sample: null
corpus:
  sources: [{name: notes, path: notes.jsonl, text: text}]
  near_duplicates: {enabled: false}
tasks:
  - {name: mood, kind: classification, train: train.jsonl, test: test.jsonl,
     label: {source: new.jsonl}}
"""
SMALLER = [word for word in SMALL if not word.startswith(("tasks.", "sample."))]
WORDS = ["--config", "mine.yaml", *SMALLER]


def write_data(folder: Path) -> None:
    (folder / "mine.yaml").write_text(USER_FILE)
    write_notes(folder, 300)
    write_rows(folder / "train.jsonl", toy_rows(60, 0))
    write_rows(folder / "test.jsonl", toy_rows(60, 1))
    new = [{"id": n, "text": row["text"]} for n, row in enumerate(toy_rows(40, 2))]
    write_rows(folder / "new.jsonl", new)


def labelled(product: Product, count: int) -> int:
    """Label texts as another tool does: all are good. Return how many there were."""
    asked = product.folder / "asked.jsonl"
    asked.unlink(missing_ok=True)
    done = product.run("label", "mood", "--export", "asked.jsonl", "--count", str(count), *WORDS)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in asked.read_text().splitlines()]
    write_rows(asked, [row | {"label": "good"} for row in rows])
    done = product.run("label", "mood", "--import", "asked.jsonl", *WORDS)
    assert done.returncode == 0, done.stderr
    assert f"{len(rows)} labels are saved in" in done.stdout
    return len(rows)


def test_saved_labels_train_the_task_again_and_not_the_backbone(product: Product) -> None:
    write_data(product.folder)
    early = product.run("label", "mood", *WORDS)
    assert (early.returncode, "run textmill finetune mood" in early.stderr) == (2, True)
    retrain = ["retrain", "--trigger", "data", *WORDS]
    first = product.run(*retrain)
    assert first.returncode == 0, first.stderr
    assert "the data have not changed" in product.run(*retrain).stderr

    assert labelled(product, 6) == 6
    second = product.run(*retrain)
    assert second.returncode == 0, second.stderr
    for step in ("clean", "tokenizer", "tokens", "pretrain", "evaluate-lm"):
        assert f"{step}: reused" in second.stderr
    for step in ("baseline", "finetune", "evaluate"):
        assert f"{step} mood: computed" in second.stderr
    assert "the data have not changed" in product.run(*retrain).stderr

    saved = product.folder / "new.jsonl.mood.jsonl"
    rows = [json.loads(line) for line in saved.read_text().splitlines()]
    assert [row["label"] for row in rows] == ["good"] * 6
    assert {row["labelled"]["model_version"] for row in rows} == {"1"}
    lineage = product.run("lineage", str(saved), *WORDS)
    assert lineage.returncode == 0, lineage.stderr
    assert "finetune mood" in lineage.stdout

    newest = pipelines(product)[0].info.run_id
    assert labelled(product, 2) == 2
    again = product.run("reproduce", newest, "--config", "mine.yaml")
    assert again.returncode == 0, again.stdout + again.stderr
