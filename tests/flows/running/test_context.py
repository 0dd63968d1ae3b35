"""Specifies what the tasks of one command share."""

from __future__ import annotations

import warnings
from typing import Any

from prefect.utilities.collections import visit_collection

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from textmill.config import Config
    from textmill.tracking.pipeline import Pipeline
    from textmill_flows.running.context import Context
    from textmill_flows.running.prefect_artifacts import Page


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
