"""Specifies the order in which the branches of a run start."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from textmill_flows.running.context import Context
    from textmill_flows.running.prefect_artifacts import Page
    from textmill_flows.running.prefect_tasks import longest_first
from textmill.config import Config
from textmill.steps.graph import GRAPH
from textmill.tracking.pipeline import Pipeline


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """Tasks with files of 1, 3 and 2 bytes; the last has two epochs."""
    tasks = []
    for name, n_bytes, epochs in (("a", 1, None), ("b", 3, None), ("c", 2, 2)):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("x" * n_bytes)
        files = {"train": str(file), "test": str(file)}
        finetune = {"epochs": epochs}
        tasks.append(
            files | {"name": name, "kind": "classification", "finetune": finetune},
        )
    corpus = {"sources": [{"name": "a", "path": "a.txt"}]}
    config = Config.model_validate({"corpus": corpus, "tasks": tasks})
    store: Any = None
    return Context(config, Pipeline(store, "0", "run", False, {}), Page())


def order(context: Context) -> list[str]:
    branches = GRAPH.stages(GRAPH.parts(context.config)).branches
    return longest_first(context, {name: branches[name] for name in ("a", "b", "c", "lm")})


def test_without_a_budget_the_most_data_come_first(context: Context) -> None:
    assert order(context) == ["lm", "c", "b", "a"]


def test_with_a_budget_the_longest_expected_come_first(context: Context) -> None:
    context.task_seconds = {"a": 30.0, "b": 10.0, "c": 20.0}
    assert order(context) == ["a", "c", "b", "lm"]
