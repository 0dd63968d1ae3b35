"""Specifies registered versions: listed, loaded when they are asked for, and never current."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serving.pages import *  # noqa: F403  # the fixtures, by its __all__
from tests.serving.pages import Register, ServePage
from textmill.config import Config
from textmill.registry.versions import REASON_TAG, SCORE_TAG, Registry
from textmill.serving import registered as module
from textmill.serving.refusals import Refusal
from textmill.serving.registered import RegisteredModels
from textmill.serving.served_models import Models
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tracking.artifacts import output_folder
from textmill.tracking.store import Store

TEXTS = ["the room", "a lovely meal"]


@pytest.fixture
def runs(register: Register, store: Store, page_config: Config) -> list[str]:
    """The runs of versions 1, 2 and 3 of mood, of which 2 is the champion."""
    made = [
        register("mood", "classification", {f"{SCORE_TAG}accuracy": "0.75", REASON_TAG: "better"}),
        register("mood", "classification", {}),
        register("mood", "classification", {f"{SCORE_TAG}accuracy": "0.5"}),
    ]
    Registry(store, page_config.experiment).promote("mood", "2")
    return made


@pytest.fixture
def registered(store: Store, page_config: Config, runs: list[str]) -> RegisteredModels:
    return RegisteredModels(store, page_config.experiment, {"mood": "classification"})


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were loaded."""
    found: list[Path] = []

    def load(folder: Path) -> Any:
        found.append(folder)
        return load_predictor(folder)

    monkeypatch.setattr(module, "load_predictor", load)
    return found


@pytest.fixture
def client(serve_page: ServePage, runs: list[str]) -> Iterator[TestClient]:
    with serve_page() as started:
        yield started


def test_versions_are_listed_with_what_a_person_chooses_by(
    registered: RegisteredModels, runs: list[str]
) -> None:
    newest, champion, first = registered.versions("mood")
    assert [newest.version, champion.version, first.version] == ["3", "2", "1"]
    assert [newest.run, champion.run, first.run] == runs[::-1]
    assert [newest.aliases, champion.aliases, first.aliases] == [[], ["champion"], []]
    assert [newest.score, champion.score, first.score] == [0.5, None, 0.75]
    assert {one.metric for one in (newest, champion, first)} == {"accuracy"}
    assert (first.decision, champion.decision) == ("better", "promoted by hand")
    assert first.created <= champion.created <= newest.created


def test_a_task_without_versions_has_none(registered: RegisteredModels) -> None:
    registered.kinds = {"other": "tagging"}
    assert registered.versions("other") == []
    with pytest.raises(Refusal, match="other has no version 1: its versions are none"):
        registered.load("other", "1")


def test_a_version_is_the_model_of_its_run(
    registered: RegisteredModels, store: Store, runs: list[str]
) -> None:
    loaded = registered.load("mood", "3")
    assert (loaded.id.run_id, loaded.id.version) == (runs[2], "3")
    assert loaded.model(TEXTS) == load_predictor(output_folder(store, runs[2]))(TEXTS)


def test_the_versions_used_last_stay_in_memory(
    registered: RegisteredModels, loads: list[Path]
) -> None:
    first = registered.load("mood", "1")
    for number in ("2", "1", "2", "1"):
        registered.load("mood", number)
    assert len(loads) == 2
    assert registered.load("mood", "1") is first
    registered.load("mood", "3")  # instead of 2
    assert registered.load("mood", "1") is first
    assert len(loads) == 3
    registered.load("mood", "2")
    assert len(loads) == 4


def test_requests_at_once_load_a_version_once(
    registered: RegisteredModels, loads: list[Path]
) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda _: registered.load("mood", "1"), range(8))]
    assert len(loads) == 1
    assert all(one is found[0] for one in found)


def test_a_damaged_version_is_refused_and_the_others_are_not(
    registered: RegisteredModels, store: Store, runs: list[str]
) -> None:
    (output_folder(store, runs[0]) / "model.safetensors").write_bytes(b"")
    with pytest.raises(Refusal, match=r"mood, version 1: .*model\.safetensors") as refused:
        registered.load("mood", "1")
    assert refused.value.status == 503
    assert registered.load("mood", "2").id.version == "2"


def predict(client: TestClient, **further: Any) -> Any:
    return client.post("/v1/tasks/mood/predict", json={"inputs": TEXTS, **further})


def test_a_request_names_a_version_and_the_current_model_stays(
    client: TestClient, models: Models, runs: list[str]
) -> None:
    answer = predict(client, version="3").json()
    assert answer["model"] == {"name": "mood", "run": runs[2], "version": "3"}
    assert predict(client).json()["model"]["run"] == "run-of-mood"
    assert models.tasks["mood"].get().id.run_id == "run-of-mood"


def test_the_current_version_is_not_loaded_twice(client: TestClient, loads: list[Path]) -> None:
    assert predict(client, version="1").json()["model"]["run"] == "run-of-mood"
    assert loads == []


@pytest.mark.parametrize(
    ("version", "status", "words"),
    [
        ("7", 404, "mood has no version 7: its versions are 3, 2, 1."),
        ("x", 422, "version"),
        (2, 422, "version"),
        ("", 422, "version"),
    ],
)
def test_what_is_no_version_is_refused(
    client: TestClient, version: Any, status: int, words: str
) -> None:
    answer = predict(client, version=version)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("version", [None, "2"])
def test_details_are_the_probabilities_of_all_labels(
    client: TestClient, version: str | None
) -> None:
    plain = predict(client, version=version).json()["predictions"]
    detailed = predict(client, version=version, details=True).json()["predictions"]
    for without, prediction in zip(plain, detailed, strict=True):
        probabilities = prediction.pop("probabilities")
        assert probabilities.keys() == {"good", "bad"}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert max(probabilities, key=probabilities.__getitem__) == prediction["label"]
        assert prediction["label"] == without["label"]


def test_requests_for_a_version_that_is_being_loaded_do_not_keep_chats_waiting(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def load(folder: Path) -> Any:
        begun.set()
        assert go_on.wait(20), "the chat had no answer"
        return load_predictor(folder)

    monkeypatch.setattr(module, "load_predictor", load)
    messages = [{"role": "user", "content": "the room"}]
    with ThreadPoolExecutor(40) as pool:  # more than threads of an event loop
        waiting = [pool.submit(predict, client, version="3") for _ in range(40)]
        assert begun.wait(20)
        answer = client.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 1})
        go_on.set()
    assert answer.status_code == 200
    assert {one.result().status_code for one in waiting} == {200}


def test_versions_are_listed_by_a_route(client: TestClient) -> None:
    listed = client.get("/v1/tasks/mood/versions").json()
    assert [one["version"] for one in listed] == ["3", "2", "1"]
    assert client.get("/v1/tasks/places/versions").json() == []
    unknown = client.get("/v1/tasks/none/versions")
    assert unknown.status_code == 404
    assert "There is no task 'none'" in unknown.json()["error"]["message"]


def test_a_server_without_the_registry_has_the_current_models_alone(
    serve: Callable[..., Any],
) -> None:
    with serve() as client:
        assert predict(client, version="2").status_code == 404
        assert client.get("/v1/tasks/mood/versions").json() == []
        assert client.get("/").status_code == 404
