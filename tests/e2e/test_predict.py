"""Specifies textmill predict on files, as another process sees it."""

from __future__ import annotations

import gzip
import json
import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import Product, wait_until

pytestmark = pytest.mark.slow


def test_rows_keep_their_columns_and_name_the_registered_model(finished: Product) -> None:
    file = finished.folder / "news.csv.gz"
    file.write_bytes(gzip.compress("id;body;label\n1;The team won.;x\n2;Grüße;y\n".encode()))
    done = finished.run(
        *("predict", "topic", "--file", file.name, "--column", "text=body", "--out", "a.jsonl")
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == "textmill: 2 predictions are in a.jsonl.\n"
    lines = (finished.folder / "a.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [[row[name] for name in ("id", "body", "input_label")] for row in rows] == [
        ["1", "The team won.", "x"],
        ["2", "Grüße", "y"],
    ]
    for row in rows:
        assert row["model_version"] == "1"
        assert 0 < row["score"] <= 1
        assert len(row["run"]) == 32


def test_a_killed_prediction_is_continued_with_the_same_bytes(
    finished: Product, tmp_path: Path
) -> None:
    file, out = tmp_path / "many.jsonl", tmp_path / "out.jsonl"
    texts = (f"The team number {i} won {'again and ' * (i % 40)}" for i in range(60_000))
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    words = "predict", "topic", "--file", str(file), "--out"
    whole = finished.run(*words, str(tmp_path / "whole.jsonl"), timeout_s=600)
    assert whole.returncode == 0, whole.stderr
    process = finished.start(*words, str(out))
    wait_until(lambda: (tmp_path / "out.jsonl.partial.json").exists(), 300)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert not out.exists()
    done = finished.run(*words, str(out), timeout_s=600)
    assert done.returncode == 0, done.stderr
    assert "continuing after the" in done.stderr
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not [*tmp_path.glob("*.partial*")]
