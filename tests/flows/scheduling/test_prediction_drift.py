"""Specifies the trigger `drift` on a log without texts: what it compares, and what it says."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from textmill.config import Config
from textmill.errors import InputError
from textmill.tracking.events import PastRun
from textmill.tracking.results import Result
from textmill_flows.scheduling import prediction_drift
from textmill_flows.scheduling.prediction_drift import check_predictions
from textmill_flows.scheduling.triggers import Decision

CORPUS = {"sources": [{"name": "own", "path": "own.jsonl"}]}
LAST = PastRun("run1", "http://store/run1", "FINISHED", "d1", {})


def rows(seed: int, n: int, good: float = 0.5) -> list[dict[str, Any]]:
    """Predictions for texts of random lengths."""
    rng = random.Random(seed)
    return [
        {
            "text": "x" * rng.randint(10, 50),
            "label": "good" if rng.random() < good else "bad",
            "score": round(rng.uniform(0.5, 1), 3),
        }
        for _ in range(n)
    ]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "log").mkdir()
    tasks = [
        {"kind": "classification", "name": name, "train": "a.csv", "test": "b.csv"}
        for name in ("mood", "topic")
    ]
    drift = {"log": str(tmp_path / "log")}
    return Config.model_validate({"corpus": CORPUS, "tasks": tasks, "retrain": {"drift": drift}})


@pytest.fixture(autouse=True)
def champions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The runs of the champions by task; models and evaluations are there for all tasks."""
    model, tested = tmp_path / "model", tmp_path / "tested"
    for folder in (model, tested):
        folder.mkdir()
    spec = {"labels": ["good", "bad"]}
    task = {"kind": "classification", "is_causal": False, "spec": spec}
    (model / "task.json").write_text(json.dumps(task))
    known = "".join(json.dumps(row) + "\n" for row in rows(0, 300))
    (tested / "predictions.jsonl").write_text(known)
    runs = {"mood": "m1"}

    def result(run_id: str, folder: Path) -> Result:
        return Result(run_id, "k", run_id, "u", folder, "d", True)

    def champion(store: object, experiment: str, name: str) -> tuple[Result, Result] | None:
        return (result(runs[name], model), result("t", tested)) if name in runs else None

    def newest(store: object, last: PastRun, label: str) -> Result:
        step, _, name = label.partition(" ")
        return result(f"newest {name}", model if step == "finetune" else tested)

    monkeypatch.setattr(prediction_drift, "champion_results", champion)
    monkeypatch.setattr(prediction_drift, "result_of", newest)
    return runs


def write_log(
    tmp_path: Path, found: list[dict[str, Any]], task: str = "mood", run: str = "m1"
) -> None:
    with (tmp_path / "log" / "2026-11-30.jsonl").open("a") as log:
        for row in found:
            prediction = {"label": row["label"], "score": row["score"]}
            lengths = {"input_length": len(row["text"])}
            entry = {"task": task, "run": run, **lengths, "prediction": prediction}
            log.write(json.dumps(entry) + "\n")


def check(config: Config, data: str = "d1") -> Decision:
    return check_predictions(None, config, LAST, data)  # type: ignore[arg-type]


def test_served_text_like_the_test_examples_does_not_fire(config: Config, tmp_path: Path) -> None:
    write_log(tmp_path, rows(1, 200))
    decision = check(config)
    assert decision.event is None
    assert decision.reason.startswith(
        "the served text has not drifted from the test examples (at most the "
    )
    assert decision.reason.endswith("too few predictions (minimum 50): topic 0")


def test_shifted_labels_fire_with_what_has_shifted_and_by_how_much(
    config: Config, tmp_path: Path
) -> None:
    write_log(tmp_path, rows(1, 200, good=0.9))
    decision = check(config)
    assert decision.event is not None
    assert "the served text has drifted: the labels of mood have shifted by 0." in decision.reason
    assert "(limit 0.2) in 200 predictions: " in decision.reason
    assert "%" in decision.reason
    assert "; the sources have not changed: add such text" in decision.reason
    assert "add such text" not in check(config, "d2").reason


def test_an_event_is_one_for_the_models_and_the_data_however_the_log_grows(
    config: Config, tmp_path: Path, champions: dict[str, str]
) -> None:
    write_log(tmp_path, rows(1, 200, good=0.9))
    first = check(config).event
    write_log(tmp_path, rows(2, 60, good=0.95))
    assert check(config).event == first
    assert check(config, "d2").event not in (None, first)
    champions["mood"] = "m2"  # whose predictions are not in the log yet
    decision = check(config)
    assert decision.event is None
    assert "mood 0, and 260 of other models" in decision.reason


def test_without_a_champion_the_model_of_the_last_run_is_in_use(
    config: Config, tmp_path: Path
) -> None:
    write_log(tmp_path, rows(1, 200, good=0.9), "topic", "newest topic")
    decision = check(config)
    assert decision.event is not None
    assert "the labels of topic" in decision.reason


def test_only_chosen_tasks_are_compared(config: Config, tmp_path: Path) -> None:
    write_log(tmp_path, rows(1, 200, good=0.9))
    drift = config.retrain.drift.model_copy(update={"tasks": ("topic",)})
    retrain = config.retrain.model_copy(update={"drift": drift})
    decision = check(config.model_copy(update={"retrain": retrain}))
    assert decision == Decision(
        None, "no logged predictions to compare; too few predictions (minimum 50): topic 0"
    )


def test_damaged_lines_are_told_of(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(prediction_drift, "say", said.append)
    write_log(tmp_path, rows(1, 60))
    with (tmp_path / "log" / "2026-11-30.jsonl").open("a") as log:
        log.write('{"task": "mo')
    assert check(config).event is None
    assert said == [f"1 damaged lines in {tmp_path / 'log'} were left out."]


def test_a_folder_that_is_not_there_is_named(config: Config, tmp_path: Path) -> None:
    (tmp_path / "log").rmdir()
    with pytest.raises(InputError, match=r"retrain\.drift\.log: .*log is no folder: set it to"):
        check(config)


def test_a_path_and_a_log_are_refused() -> None:
    both = {"drift": {"path": "a.txt", "log": "mlruns/serving"}}
    with pytest.raises(ValueError, match=r"retrain\.drift has a path and a log: set one"):
        Config.model_validate({"corpus": CORPUS, "retrain": both})
