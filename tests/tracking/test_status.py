"""Specifies that the status looks up the steps after a quick one by its new result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from textmill.config import Config
from textmill.steps.graph import CLEAN, GRAPH, TASK_TEXTS
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.raw_data import find_sources
from textmill.tracking.results import Result
from textmill.tracking.status import PartStatus, as_text, find_status

pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")


def write(file: Path, label: str, text: str = "") -> str:
    rows = [
        {"text": f"{file.parent.name}: the ferry number {n} leaves at noon{text}.", "label": label}
        for n in range(40)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def test_new_labels_leave_the_corpus_and_new_texts_do_not(config: Config, tmp_path: Path) -> None:
    train = tmp_path / "train.jsonl"
    task = {"name": "mood", "kind": "classification", "train": write(train, "good")}
    corpus = {"task_texts": {"enabled": True}}
    values = config.model_dump() | {"corpus": corpus, "tasks": [task | {"test": "none.jsonl"}]}
    config = Config.model_validate(values)

    def run(step_results: dict[str, Result]) -> dict[str, Result]:
        for step in (TASK_TEXTS, CLEAN):
            part = GRAPH.part(step)
            inputs = {n: step_results[label] for n, label in GRAPH.inputs(part, config).items()}
            sources = find_sources(part.reads(config))
            step_results[step.name] = pipeline.run(step, part.configure(config), inputs, sources)
        return step_results

    def status() -> dict[str, PartStatus]:
        return {part.label: part for part in find_status(config)}

    with open_pipeline("test", config, "tests", {}) as pipeline:
        first = run({})
        assert status()["clean"].state == "reused"
        write(train, "bad")
        found = status()
        assert (found["task-texts"].state, found["clean"].state) == ("compute", "reused")
        again = run({})
        assert not again["task-texts"].is_reused
        assert again["clean"].run_id == first["clean"].run_id
    write(train, "bad", ", but for one")
    found = status()
    assert [change.name for change in found["clean"].changes] == ["task_texts"]
    assert found["clean"].state == "compute"
    train.write_text("broken\n")
    broken = status()["task-texts"]
    assert broken.state == "fails"
    assert f"{train}:1: " in str(broken.problem)


def test_steps_wait_for_sizes_that_are_chosen_for_a_budget(config: Config) -> None:
    values = {"budget_minutes": 5, "tokenizer": {"vocab_size": None}}
    found = find_status(Config.model_validate(config.model_dump() | values))
    waiting = {part.label: part for part in found if part.waits_for == ("budget",)}
    assert {*waiting} == {"tokenizer", "pretrain"}
    assert "tokenizer waits for budget" in " ".join(as_text(found).split())
