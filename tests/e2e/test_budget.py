"""Specifies the one dial from outside: sizes are chosen, shown, reused and reproduced."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import Product
from tests.e2e.test_status import labels, status_of

CONFIG = """
defaults: [base, _self_]
experiment: dial
budget_minutes: 1.5
corpus: {sources: [{name: notes, path: notes.jsonl}], near_duplicates: {enabled: false}}
pretrain: {micro_batch_size: 4}
generation: {max_new_tokens: 4}
promotion: {enabled: false}
tasks:
  - {name: mood, kind: classification, train: train.jsonl, test: test.jsonl}
"""
NAMES = ("ferry", "harbour", "bridge", "river", "tower", "market", "garden", "station")


def write(file: Path, n: int, start: int = 0) -> None:
    rows = [
        {
            "text": f"The {NAMES[i % 8]} by the {NAMES[i * 3 % 7]} number {i} is "
            f"{'open and fine' if i % 2 else 'closed and sad'} at {i % 12} o'clock.",
            "label": "good" if i % 2 else "bad",
        }
        for i in range(start, start + n)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.slow
def test_sizes_are_chosen_for_a_budget_and_said_and_reused(product: Product) -> None:
    product.folder.mkdir(exist_ok=True)
    (product.folder / "my.yaml").write_text(CONFIG)
    write(product.folder / "notes.jsonl", 600)
    write(product.folder / "train.jsonl", 120, 1000)
    write(product.folder / "test.jsonl", 40, 2000)
    waiting = labels(status_of(product, "--config", "my.yaml"), "waits")
    assert waiting == {"tokenizer", "pretrain", "finetune mood"}
    done = product.run("run", "--config", "my.yaml")
    assert done.returncode == 0, done.stderr
    reasons = re.findall(r"budget: ((?!computed).*)", done.stderr)
    assert [reason.split(":")[0] for reason in reasons] == [
        *("Model", "Tokens", "Pretraining", "mood", "Expected")
    ]
    steps = int(re.findall(r"Pretraining: ([\d,]+) steps", done.stderr)[0].replace(",", ""))
    assert f"step {steps}/{steps}" in done.stderr
    [report] = product.folder.glob("mlruns/artifacts/*/artifacts/report.html")
    assert reasons[0].split(" (")[0] in report.read_text()

    assert not labels(status_of(product, "--config", "my.yaml"), "compute")
    again = product.run("run", "--config", "my.yaml")
    assert again.returncode == 0, again.stderr
    assert ": computed" not in again.stderr
    planned = product.run("plan", "--config", "my.yaml")
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.splitlines()[: len(reasons)] == reasons

    run_id = re.findall(r"pipeline: \S+runs/(\w+)", done.stderr)[0]
    same = product.run("reproduce", run_id)
    assert same.returncode == 0, same.stderr
    assert "measure" not in same.stderr
    small = product.run("run", "--config", "my.yaml", "budget_minutes=0.01")
    assert small.returncode == 2
    assert "budget_minutes=0.01: the smallest model takes" in small.stderr
    assert "Traceback" not in small.stderr
