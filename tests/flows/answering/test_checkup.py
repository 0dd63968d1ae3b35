"""Specifies what the doctor says of a user's configuration and data."""

from __future__ import annotations

import io
import shutil
import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from textmill_flows.answering.checkup import check
from textmill import hardware
from textmill.compose import compose

CONFIG = """
defaults: [base, _self_]
corpus:
  sources: [{name: notes, path: notes.jsonl}]
tasks:
  - {name: mood, kind: classification, train: train.csv, test: test.csv}
"""
NOTES = '{"text": "The ferry leaves the old harbour at noon."}\n'
TRAIN = "text,label\na fine day,good\na grey day,bad\n"
TEST = "text,label\na fair day,good\n"


@pytest.fixture
def folder(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with sound data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, "mlruns")
    files = {"my.yaml": CONFIG, "notes.jsonl": NOTES, "train.csv": TRAIN, "test.csv": TEST}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def said_of(folder: Path, *overrides: str) -> tuple[bool, str]:
    output = io.StringIO()
    is_good = check(compose(str(folder / "my.yaml"), overrides), output)
    return is_good, output.getvalue()


def test_sound_data_are_counted(folder: Path) -> None:
    is_good, said = said_of(folder)
    assert is_good, said
    assert "ok    source notes: readable\n" in said
    assert "ok    task mood: train 2, test 1 examples\n" in said


def notes_of(said: str) -> list[str]:
    return [line.removeprefix("note  task ") for line in said.splitlines() if line[:4] == "note"]


def test_what_makes_scores_doubtful_is_noted_before_anything_is_trained(folder: Path) -> None:
    train = [f"a fine walk number {i},good" for i in range(40)]
    train += ["a grey day,bad", "a grey  day,bad", "a grey night,good", f"{'long ' * 70},bad"]
    (folder / "train.csv").write_text("\n".join(["text,label", *train, ""]))
    (folder / "test.csv").write_text("text,label\nA grey day,good\nanother,bad\n")
    (folder / "validation.csv").write_text("text,label\na grey night,good\nanother,bad\n")
    is_good, said = said_of(
        folder, "+tasks.mood.validation=validation.csv", "model=modern-1m", "model.block_size=64"
    )
    assert is_good, said
    assert "ok    task mood: train 44, validation 2, test 2 examples\n" in said
    assert notes_of(said) == [
        "mood: 1 of 2 test texts are training texts too, 0 of them with the same answer "
        "(test lines 2)",
        "mood: 3 of 46 examples have a text that also occurs with another label (training lines "
        "42, 43; test lines 2)",
        "mood: 1 of 44 training examples repeat an earlier one (training lines 43)",
        "mood: labels are unbalanced: 93.2% of the training examples are good, 6.8% bad",
        "mood: 1 of 2 validation texts are training texts too: the best epoch and candidate are "
        "selected by what the model has learned by heart (validation lines 2)",
        "mood: 1 of 2 test texts are validation texts too, by which the model is selected "
        "(test lines 3)",
        "mood: about 1 of 44 training texts are longer than the context of 64 tokens: longer "
        "texts are split into windows, of which training uses up to four (training lines 45)",
    ]


def test_leaks_that_are_refused_and_folds_that_are_too_many_would_fail(folder: Path) -> None:
    is_good, said = said_of(folder, "+tasks.mood.finetune.folds=3")
    assert not is_good
    assert "FAIL  task mood: tasks.mood.finetune.folds=3: there are only 2 training" in said
    (folder / "test.csv").write_text("text,label\na fine day,good\n")
    is_good, said = said_of(folder, "+tasks.mood.on_leak=refuse")
    assert not is_good
    assert "FAIL  task mood: tasks.mood: 1 test texts are training texts too" in said


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("notes.jsonl", NOTES.replace("text", "body"), "corpus.sources[notes].text"),
        ("notes.jsonl", "{\n" * 200, "notes.jsonl:1"),
        ("train.csv", TRAIN.replace("label", "mood"), "tasks.mood.label"),
        ("test.csv", TEST.replace("good", "strange"), "test.csv:2"),
    ],
    ids=["text column", "broken", "label column", "unknown label"],
)
def test_what_would_fail_is_named(folder: Path, file: str, content: str, named: str) -> None:
    (folder / file).write_text(content)
    is_good, said = said_of(folder)
    assert not is_good
    (failed,) = [line for line in said.splitlines() if line.startswith("FAIL")]
    assert named in failed


def test_files_that_are_missing_are_named(folder: Path) -> None:
    is_good, said = said_of(folder, "corpus.sources=[{name: a, path: no.txt}]")
    assert not is_good
    assert "FAIL  source a: source 'a': nothing to read at" in said


def test_a_gpu_that_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "best_accelerator", lambda: "cpu")
    is_good, said = said_of(folder, "pretrain.accelerator=cuda", "pretrain.precision=bf16")
    assert not is_good
    assert "FAIL  pretraining on cuda in bf16: torch finds no CUDA GPU here, set" in said
