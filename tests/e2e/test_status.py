"""Specifies what the status says before a run: what it would reuse, what compute, and why."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import textmill
from tests.e2e.conftest import SMALL, Product, outside_environment

TASK = '{"text": "a fine day", "label": "good"}\n{"text": "a grey day", "label": "bad"}\n'


def status_of(product: Product, *words: str) -> dict[str, dict[str, Any]]:
    done = product.run("status", "--json", *words)
    assert done.returncode == 0, done.stderr
    return {part["label"]: part for part in json.loads(done.stdout)}


def status(product: Product, *words: str) -> dict[str, dict[str, Any]]:
    return status_of(product, *SMALL, *words)


def labels(found: dict[str, dict[str, Any]], state: str) -> set[str]:
    return {label for label, part in found.items() if part["state"] == state}


@pytest.mark.slow
def test_an_unchanged_run_would_reuse_everything(finished: Product) -> None:
    done = finished.run("status", *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    assert all(" reused    run " in line for line in lines), done.stdout
    assert last == f"{len(lines)} steps: {len(lines)} reused."
    assert done.stdout.startswith("sample ")


@pytest.mark.slow
def test_a_changed_setting_is_named_where_it_counts(finished: Product) -> None:
    found = status(finished, "pretrain.max_steps=41")
    (change,) = found["pretrain"]["changes"]
    assert (change["kind"], change["name"]) == ("config", "pretrain.max_steps")
    assert (change["before"], change["now"]) == (40, 41)
    assert labels(found, "compute") == {"pretrain"}
    waiting = labels(found, "waits")
    tested = {f"behaviour {task}" for task in ("topic", "sentiment", "ner")}
    assert waiting == tested | {"evaluate-lm"} | {
        f"{step} {task}"
        for step in ("finetune", "evaluate")
        for task in ("topic", "sentiment", "ner", "translation")
    }
    assert found["evaluate topic"]["waits_for"] == ["finetune topic"]
    assert labels(found, "reused") == found.keys() - waiting - {"pretrain"}


@pytest.mark.slow
def test_what_waits_says_what_has_changed_besides(finished: Product) -> None:
    found = status(finished, "corpus.min_chars=30", "tasks.ner.finetune.seed=7")
    assert found["tokenizer"]["state"] == "waits"
    assert found["finetune ner"]["waits_for"] == ["pretrain"]
    assert found["finetune ner"]["state"] == "compute"
    (change,) = found["finetune ner"]["changes"]
    assert (change["name"], change["now"]) == ("finetune.seed", 7)
    said = finished.run("status", *SMALL, "corpus.min_chars=30").stdout
    assert "config min_chars: was 20, is 30" in said
    assert "waits     for clean; otherwise as in run" in said


@pytest.mark.slow
def test_an_edited_module_is_named_with_the_steps_that_it_is_part_of(
    finished: Product, tmp_path: Path
) -> None:
    package = Path(textmill.__file__).parent
    shutil.copytree(package, tmp_path / "textmill")
    edited = tmp_path / "textmill" / "corpus" / "tokens" / "tokenizer.py"
    edited.write_text(f"{edited.read_text()}\nMORE = 1\n")
    # As the product, with this copy of the package before the other.
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from textmill_flows.cli import app; app()"
    )
    words = [sys.executable, "-c", code, str(tmp_path), "status", "--json", *SMALL]
    done = subprocess.run(
        words,
        cwd=finished.folder,
        env=outside_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = {part["label"]: part for part in json.loads(done.stdout)}
    changes = [(c["kind"], c["name"]) for c in found["tokenizer"]["changes"]]
    assert changes == [("module", "textmill.corpus.tokens.tokenizer")]
    assert found["clean"]["state"] == "reused"
    assert found["pretrain"]["state"] == "compute"


@pytest.mark.slow
def test_a_new_task_is_computed_and_the_others_stay(finished: Product, tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text(TASK)
    places = f"train: {tmp_path}/train.jsonl, test: {tmp_path}/test.jsonl"
    before = status(finished)
    task = f"tasks=[sample-topic, {{name: mood, kind: classification, {places}}}]"
    words = [word for word in SMALL if not word.startswith("tasks.")]
    found = status_of(finished, *words, task)
    for step in ("baseline", "finetune", "evaluate"):
        part = found[f"{step} mood"]
        assert (part["state"], part["run_id"]) == ("compute", None)
    assert found["baseline topic"]["run_id"] == before["baseline topic"]["run_id"]
    assert found["clean"]["state"] == "reused"
    cleared = status_of(finished, *words, task, "corpus.decontamination.enabled=true")
    named = {change["name"] for change in cleared["clean"]["changes"]}
    assert named == {"decontamination.enabled", "task_texts"}
    assert cleared["task-texts"]["state"] == "compute"


@pytest.mark.slow
def test_raw_files_that_have_changed_are_named(product: Product) -> None:
    notes = [product.folder / "notes" / f"{name}.txt" for name in "ab"]
    notes[0].parent.mkdir()
    for i in range(60):
        lines = "".join(f"The boat number {i * 40 + j} left at {j}.\n" for j in range(40))
        (notes[0].parent / f"{i}.txt").write_text(lines)
    for note in notes:
        note.write_text("The bridge over the river is closed for the whole week.\n")
    (product.folder / "my.yaml").write_text(
        "defaults: [base, _self_]\n"
        "corpus: {sources: [{name: notes, path: notes}], near_duplicates: {enabled: false}}\n"
        "tokenizer: {vocab_size: 300}\n"
        "model: {n_layer: 1, n_head: 1, n_embd: 8, block_size: 16}\n"
        "pretrain: {max_steps: 2, warmup_steps: 1}\n"
    )
    done = product.run("prepare", "--config", "my.yaml")
    assert done.returncode == 0, done.stderr
    notes[0].write_text("The bridge over the river is open again.\n")
    notes[1].unlink()
    done = product.run("status", "--config", "my.yaml")
    assert done.returncode == 0, done.stderr
    assert f"file {notes[0]}: changed\n" in done.stdout
    assert f"file {notes[1]}: removed\n" in done.stdout
    shutil.rmtree(notes[0].parent)
    done = product.run("status", "--config", "my.yaml")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("clean")]
    assert line.split()[1] == "fails"


def test_before_the_first_run_nothing_is_there_and_nothing_is_made(product: Product) -> None:
    done = product.run("status", *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    assert all("no earlier result" in line for line in lines)
    assert last == f"{len(lines)} steps: {len(lines)} to be computed."
    assert not (product.folder / "mlruns").exists()


@pytest.mark.slow
def test_nothing_is_computed_or_written(finished: Product) -> None:
    home = finished.folder / "mlruns"

    def files() -> set[Path]:
        return {file for name in ("artifacts", "wip") for file in (home / name).rglob("*")}

    before = files()
    status(finished, "corpus.min_chars=31")
    assert files() == before


@pytest.mark.slow
def test_a_store_that_can_be_read_alone_is_read(finished: Product, tmp_path: Path) -> None:
    home = tmp_path / "mlruns"
    shutil.copytree(finished.folder / "mlruns", home, ignore=shutil.ignore_patterns("prefect"))
    for path in [home, *home.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    words = [str(Path(sys.executable).with_name("textmill")), "status", "--json", *SMALL]
    if os.geteuid() == 0:  # bound by permissions like others
        words = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *words]
    done = subprocess.run(
        words, cwd=tmp_path, env=outside_environment(), capture_output=True, text=True
    )
    for path in [home, *home.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o200)
    assert done.returncode == 0, done.stderr
    assert {part["state"] for part in json.loads(done.stdout)} == {"reused"}
