"""Specifies textmill label as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.flows.answering.row_models import row_model
from tests.flows.labelling.test_label_session import values_of, write_lines
from tests.flows.labelling.test_uncertain_rows import PREDICTOR
from textmill.tracking.database import skinny
from textmill_flows.answering import row_prediction
from textmill_flows.cli import app, shared

FIRST, SECOND, THIRD = "two open windows 48", "a bright morning 55", "grim corridors 90"
"""In the order in which they are asked for."""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration with texts to label, in a process that is not set up as a command's."""

    def load(task: str, config: Any, renamed: dict[str, str]) -> row_prediction.RowPredictor:
        return row_model(PREDICTOR, config.tasks[0], renamed)

    monkeypatch.setattr(row_prediction, "load_row_predictor", load)
    for name in ("spare_collections", "set_up_streams"):
        monkeypatch.setattr(shared, name, lambda: None)
    monkeypatch.setattr(skinny, "load_skinny", lambda: None)
    monkeypatch.chdir(tmp_path)
    task = json.dumps(values_of(tmp_path))
    (tmp_path / "mine.yaml").write_text(f"defaults: [base, _self_]\ntasks: [{task}]\n")


def run(typed: str, *words: str) -> tuple[int, str]:
    command = ["label", "mood", "--config", "mine.yaml", "--by", "ann", *words]
    done = CliRunner().invoke(app, command, input=typed)
    return done.exit_code, done.stdout + done.stderr


def saved() -> list[tuple[str, str]]:
    file = Path("new.jsonl.mood.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [(row["body"], row["mood"]) for row in rows]


def test_enter_accepts_and_names_numbers_and_beginnings_correct() -> None:
    status, said = run("\n1\ng\n")
    assert status == 0
    assert saved() == [(FIRST, "bad"), (SECOND, "bad"), (THIRD, "good")]
    assert "[bad, 0.52]" in said
    assert "3 labels are saved in" in said
    assert "There is no text without a label" in run("")[1]


def test_texts_are_skipped_and_labels_taken_back() -> None:
    status, said = run("u\ns\ngood\nu\nbad\n:q\n")
    assert (status, saved()) == (0, [(SECOND, "bad")])
    assert "There is no label to take back." in said
    assert "1 labels are saved" in said


def test_what_is_no_label_is_asked_again() -> None:
    status, said = run("fine\nbad\n")
    assert (status, saved()) == (0, [(FIRST, "bad")])
    assert "'fine' is none of the labels" in said


def test_texts_that_somebody_else_labels_meanwhile_are_not_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from textmill_flows.cli import label_command

    lines = iter(["", "q"])

    def read() -> str:
        write_lines(Path("new.jsonl.mood.jsonl"), [{"body": SECOND, "mood": "bad"}])
        return next(lines)

    monkeypatch.setattr(label_command, "_read_line", read)
    _, said = run("")
    assert FIRST in said
    assert SECOND not in said
    assert THIRD in said


def test_a_text_cannot_control_the_terminal() -> None:
    write_lines(Path("new.jsonl"), [{"body": f"red \x1b[31m {'long ' * 2000} 50"}])
    _, said = run("q\n")
    assert "red \N{REPLACEMENT CHARACTER}[31m" in said
    assert "\x1b" not in said
    assert "… (6,0" in said


def test_texts_go_to_another_tool_and_come_back() -> None:
    status, said = run("", "--export", "asked.jsonl", "--count", "2")
    assert status == 0
    assert "2 texts are in asked.jsonl" in said
    rows = [json.loads(line) for line in Path("asked.jsonl").read_text().splitlines()]
    write_lines(Path("asked.jsonl"), [row | {"mood": "good"} for row in rows])
    status, said = run("", "--import", "asked.jsonl")
    assert (status, saved()) == (0, [(FIRST, "good"), (SECOND, "good")])
    assert "2 labels are saved in" in said


@pytest.mark.parametrize("name", ["old.jsonl", "none/a.jsonl", "a.csv"])
def test_an_export_that_cannot_be_written_is_said_before_the_source_is_read(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(row_prediction, "load_row_predictor", load)
    Path("old.jsonl").touch()
    status, said = run("", "--export", name)
    assert (status, f"--export {name}" in said) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--export", "a.jsonl", "--import", "b.jsonl"], "Both --export and --import were given"),
        (["--import", "none.jsonl"], "none.jsonl does not exist"),
        (["--export", "none/a.jsonl"], "none is no folder: create it"),
        (["tasks.mood.labelling.source=none.csv"], "none.csv does not exist"),
    ],
)
def test_bad_input_is_said(words: list[str], message: str) -> None:
    status, said = run("", *words)
    assert status == 2
    assert message in said
