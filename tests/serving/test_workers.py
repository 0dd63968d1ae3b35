"""Specifies threads: large texts keep nobody waiting, and small ones wait for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serving.conftest import Serve
from textmill.config import FilterConfig, FilterSide
from textmill.safety.filtering.content_filter import Checked, ContentFilter
from textmill.serving import predicting
from textmill.serving.prediction_log import PredictionLog
from textmill.serving.refusals import Refusal
from textmill.serving.workers import MAX_SMALL, Workers

LARGE = "the room " * MAX_SMALL


@pytest.fixture
def workers() -> Iterator[Workers]:
    started = Workers(1)
    yield started
    started.close()


def test_only_large_texts_are_worked_on_in_a_thread(workers: Workers) -> None:
    async def names() -> list[str]:
        work = lambda: threading.current_thread().name.split("_")[0]  # noqa: E731
        return [await workers.on_texts(size, work) for size in (MAX_SMALL, MAX_SMALL + 1)]

    assert asyncio.run(names()) == [threading.current_thread().name, "texts"]


def test_work_with_a_model_is_done_in_a_thread_however_small(workers: Workers) -> None:
    here = threading.get_ident()
    assert asyncio.run(workers.on_texts(1, threading.get_ident, uses_model=True)) != here


@pytest.mark.parametrize("side", ["prompt", "output"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": "a lovely", "max_tokens": 4}),
        ("/v1/completions", {"prompt": "a lovely", "max_tokens": 4, "stream": True}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "the room"}]}),
        ("/v1/tasks/chat/predict", {"inputs": ["the room"]}),
    ],
)
def test_requests_are_answered_while_the_model_of_a_filter_checks_a_small_one(
    serve: Serve, path: str, body: Any, side: FilterSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses = lambda asked: [{"response": "the room"} for _ in asked]  # noqa: E731
    monkeypatch.setattr(predicting, "_compute", responses)  # the tiny model may say nothing
    rule = FilterConfig(category="toxic", model="toxicity", labels=("toxic",), applies_to=side)
    held = Held(lambda texts: [0.0] * len(texts))
    with serve(ContentFilter([rule], {rule: held})) as client:
        assert held.answer(client, path, body) == 200


def test_too_many_large_texts_are_refused_and_those_that_were_given_up_do_not_count(
    workers: Workers,
) -> None:
    go_on = threading.Event()

    async def fill() -> list[Any]:
        first = asyncio.create_task(workers.on_texts(MAX_SMALL + 1, go_on.wait))
        await asyncio.sleep(0)
        with pytest.raises(Refusal) as refused:
            await workers.on_texts(MAX_SMALL + 1, bool)
        first.cancel()
        await asyncio.wait([first])
        return [refused.value.status, await workers.on_texts(MAX_SMALL + 1, bool)]

    try:
        assert asyncio.run(fill()) == [429, False]
    finally:
        go_on.set()


class Held:
    """Waits when it is called, until a request that came meanwhile has its answer."""

    def __init__(self, wrapped: Callable[..., Any]) -> None:
        self.wrapped = wrapped
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *given: Any) -> Any:
        self.begun.set()
        assert self.go_on.wait(20), "nothing else was answered"
        return self.wrapped(*given)

    def answer(self, client: TestClient, path: str, body: Any) -> int:
        """Return the status of a request, during which there was an answer to another one."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(client.post, path, json=body)
            assert self.begun.wait(20)
            assert client.get("/health").status_code == 200
            self.go_on.set()
            return running.result().status_code


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": LARGE, "max_tokens": 1}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": LARGE}]}),
        ("/v1/tasks/chat/predict", {"inputs": [LARGE]}),
    ],
)
def test_requests_are_answered_while_filters_check_a_large_one(
    serve: Serve, path: str, body: Any
) -> None:
    content_filter = ContentFilter([])
    held: Callable[..., Checked] = Held(content_filter.check)
    content_filter.check = held  # type: ignore[method-assign]
    with serve(content_filter) as client:
        assert held.answer(client, path, body) == 200  # type: ignore[attr-defined]


def test_requests_are_answered_while_a_large_one_is_logged(
    serve: Serve, log: PredictionLog, tmp_path: Path
) -> None:
    held = Held(log.write)
    log.write = held  # type: ignore[method-assign]
    with serve() as client:
        assert held.answer(client, "/v1/tasks/mood/predict", {"inputs": [LARGE]}) == 200
    assert len([*(tmp_path / "log").iterdir()]) == 1
