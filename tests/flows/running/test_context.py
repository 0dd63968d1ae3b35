"""Specifies what the tasks of one command share."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.utilities.collections import visit_collection

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from textmill.config import Config
    from textmill.tracking.pipeline import Pipeline
    from textmill_flows.invocation import Composed
    from textmill_flows.running.context import Context
    from textmill_flows.running.prefect_artifacts import Page

    module: Any = importlib.import_module("textmill_flows.running.context")


def test_prefect_does_not_look_into_what_branches_change() -> None:
    config = Config.model_validate({"corpus": {"sources": [{"name": "a", "path": "a.txt"}]}})
    store: Any = None
    context = Context(config, Pipeline(store, "0", "run", False, {}), Page())
    seen: list[object] = []

    def visit(value: object) -> object:
        seen.append(value)
        return value

    # As Prefect does with the parameters of every task.
    found = visit_collection({"context": context}, visit_fn=visit, return_data=True)
    assert found["context"] is context
    assert not [value for value in seen if isinstance(value, Pipeline | Config)]


def test_a_run_reads_the_labels_that_were_saved_when_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = {"kind": "classification", "name": "mood", "train": "a.csv", "test": "b.csv"}
    task |= {"labelling": {"source": str(tmp_path / "new.csv")}}
    values = {"corpus": {"sources": [{"name": "a", "path": "a.txt"}]}, "tasks": [task]}
    config = Config.model_validate(values)
    (tmp_path / "new.csv.mood.jsonl").write_text('{"text": "a", "label": "good"}\n')
    recorded: list[Config] = []
    pipeline: Any = SimpleNamespace(url="u", run_id="r", store=None)

    @contextmanager
    def open_pipeline(name: str, config: Config, *further: object) -> Iterator[object]:
        recorded.append(config)
        yield pipeline

    monkeypatch.setattr(module, "open_pipeline", open_pipeline)
    monkeypatch.setattr(module, "cluster", lambda config: nullcontext((None, None)))
    monkeypatch.setattr(module, "close_killed", lambda store, config: None)
    monkeypatch.setattr(module, "Page", lambda: SimpleNamespace(link=lambda *words: None))
    flow_run = SimpleNamespace(id="1", name="owl")
    monkeypatch.setattr(module, "flow_run", flow_run)
    with module.opened("run", Composed(config, "mine", ()), "textmill run") as context:
        labelling = context.config.tasks[0].labelling
    assert recorded == [context.config]
    assert labelling is not None
    assert labelling.n_bytes == 31
