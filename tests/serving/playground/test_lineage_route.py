"""Specifies the route of lineages: what `textmill lineage RUN` shows, for runs alone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.tracked import run_once
from textmill.config import Config, SampleConfig
from textmill.registry.drawing import to_dict
from textmill.registry.lineage import trace
from textmill.serving.playground.lineage_route import routes
from textmill.serving.refusals import Refusal, respond
from textmill.steps.step import Step
from textmill.tracking.store import Store


@pytest.fixture
def client(store: Store) -> TestClient:
    app = FastAPI()
    app.add_exception_handler(Refusal, respond)
    app.include_router(routes(store))
    return TestClient(app)


def test_a_lineage_is_that_of_the_command(
    client: TestClient, config: Config, store: Store, seed: SampleConfig, calls: Callable[[], int]
) -> None:
    run = run_once(config, Step("finetune", "probe_steps:write"), seed).run_id
    answer = client.get(f"/v1/lineage/{run}")
    assert answer.json() == json.loads(json.dumps(to_dict(trace(store, run))))
    assert answer.json()["roots"] == [run]


@pytest.mark.parametrize(
    ("words", "status"),
    [("0" * 32, 404), ("models:%2Fx%2F1", 404), ("own.jsonl", 422), ("0" * 31, 422)],
)
def test_only_a_run_has_a_lineage_here(client: TestClient, words: str, status: int) -> None:
    answer = client.get(f"/v1/lineage/{words}")
    assert answer.status_code == status
