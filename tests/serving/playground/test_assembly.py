"""Specifies the playground in the server: what needs the token, and what the page is told."""

from __future__ import annotations

import time

import pytest

from tests.serving.pages import ServePage
from textmill.config import Config, SamplingConfig
from textmill.serving.playground.assets import read_assets

TOKEN = "0123456789abcdef"
TIMEOUT_S = 30


def test_the_page_needs_no_token_and_all_data_do(serve_page: ServePage) -> None:
    with serve_page(TOKEN) as client:
        assert {client.get(path).status_code for path in read_assets()} == {200}
        for path in ("/v1/playground", "/v1/runs/current", f"/v1/lineage/{'0' * 32}"):
            assert client.get(path).status_code == 401
        assert client.post("/v1/runs", json={}).status_code == 401
        given = {"authorization": f"Bearer {TOKEN}"}
        assert client.get("/v1/runs/current", headers=given).json()["state"] != "running"


def test_the_page_is_told_the_defaults_of_the_configuration(
    serve_page: ServePage, page_config: Config
) -> None:
    with serve_page(max_new_tokens=7) as client:
        told = client.get("/v1/playground").json()
    generation = page_config.generation
    assert told["experiment"] == page_config.experiment
    assert told["sampling"] == {
        name: getattr(generation, name) for name in SamplingConfig.model_fields
    }
    assert told["max_new_tokens"] == told["most_new_tokens"] == 7
    assert told["run_command"] == "textmill run"
    assert told["prompt"]


def test_runs_can_be_switched_off(serve_page: ServePage) -> None:
    with serve_page(runs=False) as client:
        assert client.get("/v1/playground").json()["run_command"] is None
        refused = client.post("/v1/runs", json={})
    assert refused.status_code == 409
    assert "serve.runs" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"host": "evil.example"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
    ],
)
def test_another_site_starts_nothing(serve_page: ServePage, headers: dict[str, str]) -> None:
    with serve_page() as client:
        before = client.get("/v1/runs/current").json()
        assert client.post("/v1/runs", json={}, headers=headers).status_code == 403
        assert client.get("/v1/runs/current").json() == before


def test_a_run_is_started_by_the_page_itself(serve_page: ServePage) -> None:
    own = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    with serve_page() as client:
        assert client.post("/v1/runs", json={}, headers=own).status_code == 202
        deadline_s = time.monotonic() + TIMEOUT_S
        while (run := client.get("/v1/runs/current").json())["state"] == "running":
            assert time.monotonic() < deadline_s
    assert (run["state"], run["lines"]) == ("finished", ["a run"])


def test_the_schema_has_the_routes_but_not_the_files(serve_page: ServePage) -> None:
    with serve_page() as client:
        paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/runs", "/v1/lineage/{run}", "/v1/tasks/{task}/versions"} < paths.keys()
    assert not any(path == "/" or path.startswith("/playground") for path in paths)
