"""Specifies predictions over HTTP: those of the predictor, and one clear refusal for the rest."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serving.conftest import Serve
from textmill.config import UNREDACTED
from textmill.registry.current import ModelId
from textmill.serving.prediction_log import PredictionLog
from textmill.serving.served_models import Models
from textmill.tasks.ensemble.predictor import load_predictor

TEXTS = ["the room", "a lovely meal", "sad staff in a lovely room"]


def message(answer: Any) -> str:
    return str(answer.json()["error"]["message"])


def post(client: TestClient, task: str, inputs: Any) -> Any:
    return client.post(f"/v1/tasks/{task}/predict", json={"inputs": inputs})


@pytest.mark.parametrize(
    ("task", "kind", "inputs"),
    [
        ("mood", "classification", TEXTS),
        ("places", "tagging", TEXTS),
        ("faq", "question_answering", [{"question": "Where?", "context": text} for text in TEXTS]),
        ("chat", "generation", TEXTS),
    ],
)
def test_predictions_are_those_of_the_model_which_is_named(
    client: TestClient,
    model_folder: Callable[[str], Path],
    task: str,
    kind: str,
    inputs: list[Any],
) -> None:
    answer = post(client, task, inputs).json()
    assert answer["model"] == {"name": task, "run": f"run-of-{task}", "version": "1"}
    expected = json.loads(json.dumps(load_predictor(model_folder(kind))(inputs)))
    for given, right in zip(answer["predictions"], expected, strict=True):
        assert given.pop("filtered", []) == []
        entities = (one.get("entities", ()) for one in (given, right))
        for found, known in ((given, right), *zip(*entities, strict=True)):
            assert found.pop("score", 0) == pytest.approx(known.pop("score", 0), abs=1e-5)
        assert given == right


def test_an_object_with_the_only_column_is_a_text_too(client: TestClient) -> None:
    [named, plain] = post(client, "mood", [{"text": "the room"}, "the room"]).json()["predictions"]
    assert named == plain


def test_the_tasks_are_listed_with_what_they_take_and_give(client: TestClient) -> None:
    tasks = {task["name"]: task for task in client.get("/v1/tasks").json()}
    assert list(tasks) == ["mood", "places", "faq", "chat"]
    assert tasks["faq"]["columns"] == ["question", "context"]
    assert tasks["faq"]["example"].keys() == {"question", "context"}
    assert "label" in tasks["mood"]["answer"]
    assert tasks["mood"]["model"]["run"] == "run-of-mood"
    assert tasks["mood"]["problem"] is None


@pytest.mark.parametrize(
    ("task", "inputs", "status", "words"),
    [
        ("moods", ["a"], 404, "There is no task 'moods': the tasks are mood, places, faq, chat."),
        ("mood", [], 422, "inputs: List should have at least 1 item"),
        ("mood", ["a"] * 4, 413, "4 inputs are more than 3: send fewer."),
        ("mood", [1], 422, "inputs.0"),
        ("faq", ["a", "b"], 422, "inputs.0: 'a' has no question and context"),
        ("faq", [{"question": "a"}], 422, "has no string 'context'"),
        ("mood", [{"txt": "a"}], 422, "inputs.0"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(
    serve: Serve, task: str, inputs: Any, status: int, words: str
) -> None:
    with serve(max_inputs=3) as client:
        answer = post(client, task, inputs)
    assert (answer.status_code, words in message(answer)) == (status, True), message(answer)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe\x00", 400),
        (b"[" * 100_000, 400),
        (b'{"inputs": ["\\ud800"]}', 200),
        (b'{"inputs": [""]}', 200),
        (b'{"inputs": ["a"], "input": []}', 422),
        (b'{"inputs": "a"}', 422),
        (b"null", 422),
    ],
)
def test_any_body_has_an_answer(client: TestClient, content: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/v1/tasks/mood/predict", content=content, headers=headers)
    assert answer.status_code == status
    assert status == 200 or message(answer)


def test_requests_at_once_get_their_own_predictions(client: TestClient) -> None:
    texts = [f"{text} {number}" for number in range(8) for text in TEXTS]
    expected = post(client, "mood", texts).json()["predictions"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: post(client, "mood", [text]).json(), texts))
    labels = [answer["predictions"][0]["label"] for answer in answers]
    assert labels == [prediction["label"] for prediction in expected]


class Slow:
    """A predictor that takes longer than clients wait."""

    columns, redaction, weights = ("text",), UNREDACTED, (1.0,)

    def stream_weighted(self, *_: Any, **__: Any) -> list[tuple[dict[str, Any]]]:
        time.sleep(1)
        return [({"label": "late"},)]


def test_a_model_that_takes_too_long_is_no_answer(serve: Serve, models: Models) -> None:
    with serve(timeout_s=0.3) as client:
        slot = models.tasks["mood"]
        slot.loaded = replace(slot.get(), model=Slow())  # type: ignore[arg-type]
        answer = post(client, "mood", ["a"])
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def test_a_champion_replaces_the_model_without_losing_a_request(
    serve: Serve, models: Models, ids: dict[str, ModelId]
) -> None:
    with serve() as client, ThreadPoolExecutor(4) as pool:
        running = [pool.submit(post, client, "mood", [f"text {i}"]) for i in range(60)]
        ids["mood"] = ModelId("newer", "2")
        running += [pool.submit(post, client, "mood", [f"text {i}"]) for i in range(60)]
        answers = [done.result() for done in running]
        while (last := post(client, "mood", ["a"]).json())["model"]["version"] != "2":
            pass
    assert {answer.status_code for answer in answers} == {200}
    assert last["model"]["run"] == "newer"


def test_predictions_are_logged_without_the_texts(client: TestClient, log: PredictionLog) -> None:
    post(client, "mood", ["a secret room"])
    post(client, "chat", ["a secret room"])
    [file] = log.folder.glob("*.jsonl")
    assert "secret" not in file.read_text()
    first, second = map(json.loads, file.read_text().splitlines())
    assert first["task"] == "mood"
    assert (first["run"], first["model_version"]) == ("run-of-mood", "1")
    assert first["prediction"]["label"] in ("bad", "good")
    assert "response" not in second["prediction"]
