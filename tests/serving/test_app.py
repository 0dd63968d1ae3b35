"""Specifies the server as a whole: health, metrics, schema, foreign hosts, failures."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serving.conftest import Serve, slow_engine, wait_until
from textmill.registry.current import ModelId
from textmill.serving import predicting
from textmill.serving.served_models import Models

TOKEN = "0123456789abcdef"
JSON = "application/json"


def test_health_names_the_models(client: TestClient) -> None:
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert health["models"]["mood"] == {"name": "mood", "run": "run-of-mood", "version": "1"}
    assert health["problems"] == {}


def test_a_model_that_fails_to_load_leaves_the_others_serving(
    serve: Serve, models: Models, ids: dict[str, ModelId]
) -> None:
    def fail(found: ModelId) -> None:
        raise OSError("disk on fire")

    models.tasks["mood"].load = fail  # type: ignore[assignment]
    with serve() as client:
        wait_until(lambda: client.get("/health").json()["status"] == "degraded")
        assert "disk on fire" in client.get("/health").json()["problems"]["mood"]
        assert client.post("/v1/tasks/mood/predict", json={"inputs": ["a"]}).status_code == 503
        assert client.post("/v1/tasks/places/predict", json={"inputs": ["a"]}).status_code == 200


def test_a_server_that_stops_ends_the_texts_that_are_not_finished(
    serve: Serve, models: Models
) -> None:
    def ask(client: TestClient) -> Any:
        request = {"prompt": "a", "max_tokens": 1000, "n": 8, "temperature": 1.5}
        return client.post("/v1/completions", json=request)

    with ThreadPoolExecutor(1) as pool:
        with serve() as client:
            engine = slow_engine(models)
            running = pool.submit(ask, client)
            wait_until(lambda: engine.n_active == 8)
            began = time.monotonic()
        assert time.monotonic() - began < 20
        running.exception()  # the client has no answer: its transport has stopped as well


def test_metrics_count_requests_by_route_and_predictions_by_version(client: TestClient) -> None:
    client.post("/v1/tasks/mood/predict", json={"inputs": ["a", "b"]})
    client.get("/nowhere")
    metrics = client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    for line in (
        'textmill_requests_total{route="/v1/tasks/{task}/predict",status="200"} 1.0',
        'textmill_requests_total{route="other",status="404"} 1.0',
        'textmill_predictions_total{task="mood",version="1"} 2.0',
        'textmill_batch_inputs_sum{task="mood"} 2.0',
        'textmill_model_loaded{model="mood",run="run-of-mood",version="1"} 1.0',
    ):
        assert line in metrics.text


def test_metrics_count_refused_requests(serve: Serve) -> None:
    with serve(token=TOKEN, max_body_bytes=100) as client:
        given = {"authorization": f"Bearer {TOKEN}"}
        client.get("/v1/tasks")
        client.get("/v1/tasks", headers=given | {"host": "evil.example"})
        client.post("/v1/completions", content=b"x" * 101, headers=given)
        metrics = client.get("/metrics", headers=given).text
    for status in (401, 403, 413):
        assert f'textmill_requests_total{{route="other",status="{status}"}} 1.0' in metrics


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://testserver"}, 200),
    ],
)
def test_other_hosts_and_origins_are_refused(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    assert client.get("/v1/tasks", headers=headers).status_code == status


def test_a_token_is_required_for_all_but_health(serve: Serve) -> None:
    with serve(token=TOKEN) as client:
        paths = ("/health", "/metrics", "/v1/tasks", "/openapi.json")
        without = [client.get(path).status_code for path in paths]
        given = {"authorization": f"Bearer {TOKEN}"}
        with_it = [client.get(path, headers=given).status_code for path in paths]
    assert without == [200, 401, 401, 401]
    assert with_it == [200] * 4


def test_a_failure_of_the_server_tells_nothing_and_the_server_goes_on(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(predicting, "task_info", fail)
    answer = client.get("/v1/tasks")
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "The server has failed: its log says why."
    assert client.post("/v1/tasks/mood/predict", json={"inputs": ["a"]}).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind", "status", "words"),
    [
        (b'{"inputs":["a"]}', None, 422, "send Content-Type: application/json."),
        (
            b'{"inputs":["a"]}',
            "application/x-www-form-urlencoded",
            422,
            "send Content-Type: application/json.",
        ),
        (b'["a"]', JSON, 422, "The body is not a JSON object: send the fields in {}."),
        (b"{", JSON, 400, "The body is not valid JSON (at character 2)."),
        (b"[" * 100_000, JSON, 400, "The body is not valid JSON (nested too deeply)."),
        (b'{"a":' + b"1" * 5_000 + b"}", JSON, 400, "(a number with too many digits)."),
        (b'{"inputs":["\xff"]}', JSON, 400, "The body is not valid JSON (not UTF-8 at byte 13)."),
    ],
)
def test_a_body_that_cannot_be_read_says_why(
    client: TestClient, content: bytes, kind: str | None, status: int, words: str
) -> None:
    headers = {} if kind is None else {"content-type": kind}
    answer = client.post("/v1/tasks/mood/predict", content=content, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, None)
    assert words in error["message"]


def test_the_schema_describes_all_routes_and_their_refusals(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert {"/v1/tasks", "/v1/tasks/{task}/predict", "/v1/completions"} < schema["paths"].keys()
    responses = schema["paths"]["/v1/tasks/{task}/predict"]["post"]["responses"]
    assert {"200", "401", "404", "413", "422", "429", "503"} <= responses.keys()


def test_a_replaced_model_is_reported(
    serve: Serve, ids: dict[str, ModelId], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with serve() as client:
        ids["mood"] = ModelId("newer", "2")
        wait_until(lambda: client.get("/health").json()["models"]["mood"]["version"] == "2")
        wait_until(lambda: 'run="newer"' in client.get("/metrics").text)
        assert 'run="run-of-mood"' not in client.get("/metrics").text
