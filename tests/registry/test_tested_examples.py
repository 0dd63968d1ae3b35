"""Specifies which examples a model of a task was tested on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.tracked import write_manifest
from textmill.config import Config, TaskConfig, key_values, settings_of
from textmill.errors import InputError
from textmill.files import digest_file
from textmill.registry.tested_examples import evaluated_task
from textmill.tracking.artifacts import publish

Recorded = Callable[..., str]


def write(file: Path, *texts: str, column: str = "words") -> Path:
    file.write_text("".join(f"{json.dumps({column: text, 'label': 'a'})}\n" for text in texts))
    return file


def task_of(folder: Path, **values: Any) -> TaskConfig:
    places = {name: str(folder / f"{name}.jsonl") for name in ("train", "test")}
    named = {"kind": "classification", "name": "mood", "text": "words"} | places | values
    return settings_of(named["kind"]).model_validate(named)


def config_of(config: Config, *tasks: TaskConfig) -> Config:
    return config.model_copy(update={"tasks": tasks})


@pytest.fixture
def recorded(store: Any, tmp_path: Path) -> Recorded:
    """Returns a function that stores a step of a task; it returns the run's id."""
    made: dict[str, str] = {}

    def make(step: str, task: TaskConfig, *settings: str, reads: str = "") -> str:
        out = tmp_path / f"{step}{len(made)}"
        out.mkdir()
        (out / "weights").write_text(str(tmp_path))
        sources: Mapping[str, Any] = {
            f"{task.name}/{setting}": {
                "place": getattr(task, setting),
                "digest": digest_file(Path(getattr(task, setting))),
                "context": setting,
                "files": {},
            }
            for setting in settings
        }
        digest = write_manifest(out, step=step, config=key_values(task), sources=sources)
        tags = {"textmill.step": step, "textmill.kind": "step", "textmill.task": task.name}
        run_id = str(
            store.start_run(store.experiment("t"), step, tags | {"textmill.digest": digest})
        )
        publish(store, run_id, out)
        if reads:
            store.log_datasets(run_id, [("model", "https://example.org/x", made[reads], step)])
        store.end_run(run_id, "FINISHED")
        made[run_id] = digest
        return run_id

    return make


@pytest.fixture
def task(tmp_path: Path) -> TaskConfig:
    write(tmp_path / "train.jsonl", "one", "two")
    write(tmp_path / "test.jsonl", "three")
    return task_of(tmp_path)


def test_they_are_those_of_its_newest_evaluation(
    store: Any, config: Config, recorded: Recorded, task: TaskConfig, tmp_path: Path
) -> None:
    run_id = recorded("finetune", task, "train")
    recorded("evaluate", task, "test", reads=run_id)
    other = write(tmp_path / "other.jsonl", "four", column="text")
    for present in (config_of(config), config_of(config, task_of(tmp_path, test=str(other)))):
        found = evaluated_task(store, run_id, present)
        assert (found.test, found.text_columns) == (task.test, ("words",))


def test_they_are_found_where_the_configuration_has_them_now(
    store: Any, config: Config, recorded: Recorded, task: TaskConfig, tmp_path: Path
) -> None:
    run_id = recorded("finetune", task, "train", "test")
    moved = str(Path(task.test).rename(tmp_path / "moved.jsonl"))
    found = evaluated_task(
        store, run_id, config_of(config, task_of(tmp_path, test=moved, text="x"))
    )
    assert (found.test, found.text_columns) == (moved, ("words",))


@pytest.mark.parametrize("present", [{}, {"kind": "multilabel", "labels": "label"}, {"name": "x"}])
def test_changed_examples_are_none(
    store: Any,
    config: Config,
    recorded: Recorded,
    task: TaskConfig,
    tmp_path: Path,
    present: dict[str, Any],
) -> None:
    run_id = recorded("finetune", task, "train", "test")
    write(Path(task.test), "other words")
    with pytest.raises(InputError, match="of its evaluation are not in .*test.jsonl any more"):
        evaluated_task(store, run_id, config_of(config, task_of(tmp_path, **present)))


def test_without_an_evaluation_those_of_the_configuration_count_beside_equal_training_examples(
    store: Any, config: Config, recorded: Recorded, task: TaskConfig, tmp_path: Path
) -> None:
    run_id = recorded("finetune", task, "train")
    assert evaluated_task(store, run_id, config_of(config, task)).test == task.test
    write(tmp_path / "train.jsonl", "another task")
    for present in (config_of(config, task), config_of(config)):
        with pytest.raises(
            InputError, match="recorded none, and the configuration has no task mood"
        ):
            evaluated_task(store, run_id, present)
