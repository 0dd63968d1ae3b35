"""Specifies the routes of runs: nothing but the server's own command, and only for the page."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from textmill.serving.playground.child_run import ChildRun, RunCommand
from textmill.serving.playground.run_routes import routes
from textmill.serving.refusals import Refusal, respond
from textmill.tracking.store import Store

TIMEOUT_S = 30
CODE = "import sys, time; print(sys.argv[1:], flush=True); time.sleep(60)"


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    words = (sys.executable, "-c", CODE, "--config", "mine.yaml", "seed=1")
    run = ChildRun(store, tmp_path, RunCommand(words, "textmill run --config mine.yaml seed=1"))
    app = FastAPI()
    app.add_exception_handler(Refusal, respond)
    app.include_router(routes(run))
    yield TestClient(app)
    run.close()


def test_a_run_is_started_watched_and_stopped(client: TestClient) -> None:
    before = client.get("/v1/runs/current").json()
    assert before["state"] == "none"
    assert before["command"] == "textmill run --config mine.yaml seed=1"
    assert client.post("/v1/runs", json={}).status_code == 202
    deadline_s = time.monotonic() + TIMEOUT_S
    while not (watched := client.get("/v1/runs/current").json())["lines"]:
        assert time.monotonic() < deadline_s
    assert watched["state"] == "running"
    assert watched["lines"] == ["['--config', 'mine.yaml', 'seed=1']"]
    again = client.post("/v1/runs", json={})
    assert again.status_code == 409
    assert "already running" in again.json()["error"]["message"]
    assert client.post("/v1/runs/current/stop", json={}).status_code == 202
    while client.get("/v1/runs/current").json()["state"] == "running":
        assert time.monotonic() < deadline_s
    assert client.get("/v1/runs/current").json()["state"] == "stopped"


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/runs/current/stop"])
@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
        {},
    ],
)
def test_what_a_form_of_another_site_can_send_starts_nothing(
    client: TestClient, path: str, headers: dict[str, str]
) -> None:
    answer = client.post(path, content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["message"]
    assert client.get("/v1/runs/current").json()["state"] == "none"


@pytest.mark.parametrize("body", [{"overrides": ["seed=2"]}, {"config": "other"}, [], "run"])
def test_settings_of_the_browser_are_refused(client: TestClient, body: object) -> None:
    assert client.post("/v1/runs", json=body).status_code == 422
    assert client.get("/v1/runs/current").json()["state"] == "none"
