"""Specifies the arguments of textmill predict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.flows.answering.row_models import row_model
from textmill.tracking.database import skinny
from textmill_flows.answering import row_prediction
from textmill_flows.cli import app, shared


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """The tasks that a model is loaded for, in a process that is not set up as a command's."""
    seen: list[Any] = []

    def load(task: str, config: Any, renamed: dict[str, str]) -> row_prediction.RowPredictor:
        seen.append((task, config.experiment))
        return row_model(renamed=renamed)

    monkeypatch.setattr(row_prediction, "load_row_predictor", load)
    for name in ("spare_collections", "set_up_streams"):
        monkeypatch.setattr(shared, name, lambda: None)
    monkeypatch.setattr(skinny, "load_skinny", lambda: None)
    monkeypatch.chdir(tmp_path)
    return seen


def run(*words: str) -> tuple[int, list[dict[str, Any]], str]:
    done = CliRunner().invoke(app, ["predict", "topic", *words])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return done.exit_code, rows, done.stderr


def test_a_text_and_settings_are_told_apart(asked: list[Any]) -> None:
    status, [row], _ = run("x = y", "experiment=mine")
    assert (status, row["text"], row["model_version"]) == (0, "x = y", "3")
    assert asked == [("topic", "mine")]


def test_files_and_columns_may_be_several(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.tsv").write_text(f"id\tbody\tlabel\n1\t{name}\tx\n")
    status, rows, _ = run("-f", "b.tsv", "--file", "*.tsv", "--column", "text=body")
    assert status == 0
    assert [row["body"] for row in rows] == ["b", "a", "b"]
    assert {row["input_label"] for row in rows} == {"x"}


def test_a_file_is_written_and_what_was_left_out_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.data").write_text('{"text": "a"}\n{"text": 1}\n')
    options = ["--file", "a.data", "--format", "jsonl", "--out", "out.jsonl"]
    status, rows, said = run(*options)
    assert (status, rows) == (2, [])
    assert "a.data:2: column 'text' holds no text: 1 is of type int" in said
    status, rows, said = run(*options, "--skip-bad")
    assert (status, rows) == (0, [])
    assert "1 bad rows were left out" in said
    assert json.loads((tmp_path / "out.jsonl").read_text())["text"] == "a"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["b.csv", "--file", "a.csv"], "Both 'b.csv' and --file a.csv were given: remove one"),
        (["--file", "nowhere.csv"], "nowhere.csv does not exist"),
        (["x", "--column", "text"], "--column text: write NAME=COLUMN, such as text=body."),
        (["x", "--column", "=body"], "--column =body: write NAME=COLUMN"),
        (["x", "--out", "out.csv"], "it is written as JSON Lines"),
        (["--file", "a.jsonl", "--out", "a.jsonl"], "--out a.jsonl is a file of the input"),
    ],
)
def test_what_cannot_be_meant_is_said_before_a_model_is_loaded(
    asked: list[Any], tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    status, rows, said = run(*words)
    assert (status, rows, asked) == (2, [], [])
    assert message in said
