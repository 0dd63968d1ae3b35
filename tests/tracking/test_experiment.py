"""Specifies whose an experiment is: which runs may share one, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from textmill.config import Config
from textmill.errors import InputError
from textmill.tracking.pipeline import open_pipeline


@pytest.fixture
def make(config: Config, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Returns a function that makes a configuration on files of these names."""

    def configure(*sources: str, task: str | None = None) -> Config:
        for name in sources:
            (tmp_path / name).touch()
        corpus = {"sources": [{"name": "notes", "path": str(tmp_path / n)} for n in sources[:1]]}
        data = {"train": task, "test": task}
        tasks = [{"kind": "tagging", "name": "t", **data}] if task else []
        values = {"corpus": corpus, "tasks": tasks, "experiment": request.node.name}
        return Config.model_validate(config.model_dump() | values)

    return configure


def run(config: Config, config_name: str, name: str = "pipeline", scope: str | None = None) -> None:
    with open_pipeline(name, config, config_name, {}, scope) as pipeline:
        pipeline.store.set_tags(pipeline.run_id, {})


def n_runs(config: Config, store: Any) -> int:
    return len(store.client.search_runs([store.experiment(config.experiment)]))


def test_another_file_on_other_data_is_refused_and_changes_nothing(make: Any, store: Any) -> None:
    run(make("a.txt"), "/home/me/a.yaml")
    other = make("b.txt")
    with pytest.raises(InputError, match=r"contains runs of /home/me/a.yaml .*a.txt.* b.yaml uses"):
        run(other, "b.yaml")
    assert n_runs(other, store) == 1


def test_the_same_file_may_change_its_data(make: Any) -> None:
    run(make("a.txt"), "a.yaml")
    run(make("b.txt"), "a.yaml")


def test_files_that_share_data_may_share_an_experiment(make: Any) -> None:
    run(make("a.txt"), "a.yaml")
    run(make("a.txt", task="t.jsonl"), "larger.yaml")
    run(make("b.txt", task="t.jsonl"), "filtered.yaml")


def test_moved_data_is_the_same_pipeline(make: Any, tmp_path: Path) -> None:
    run(make("a.txt"), "/old/a.yaml")
    (tmp_path / "a.txt").unlink()
    run(make("b.txt"), "/new/a.yaml")


def test_failed_runs_do_not_claim_an_experiment(make: Any) -> None:
    with pytest.raises(ZeroDivisionError), open_pipeline("pipeline", make("a.txt"), "a.yaml", {}):
        raise ZeroDivisionError
    run(make("b.txt"), "b.yaml")


def test_reproductions_are_ignored(make: Any) -> None:
    run(make("a.txt"), "a.yaml")
    run(make("b.txt"), "demo", name="reproduce", scope="again")
    run(make("c.txt"), "a.yaml")
    with pytest.raises(InputError, match="contains runs of a.yaml"):
        run(make("d.txt"), "d.yaml")
