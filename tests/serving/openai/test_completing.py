"""Specifies OpenAI's API: what the backbone generates, whole and in pieces, behind the filters."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serving.conftest import Serve, slow_engine, wait_until
from textmill.config import (
    UNREDACTED,
    FilterAction,
    FilterConfig,
    FilterSide,
    GenerationConfig,
)
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.model import load
from textmill.safety.filtering.content_filter import Checked, ContentFilter
from textmill.serving import text_models
from textmill.serving.served_models import Models
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.training.writing import write_texts

PROMPT = "a lovely"


def complete(client: TestClient, **request: Any) -> Any:
    return client.post("/v1/completions", json={"prompt": PROMPT, "temperature": 0} | request)


def chat(client: TestClient, *contents: str, **request: Any) -> Any:
    messages = [{"role": "user", "content": content} for content in contents]
    return client.post("/v1/chat/completions", json={"messages": messages} | request)


def events(answer: Any) -> list[Any]:
    """Return the server-sent events of a stream, which ends as OpenAI's do."""
    *found, done = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert done == "[DONE]"
    return [json.loads(event) for event in found]


@pytest.fixture
def expected(backbone_folder: Path) -> Callable[..., list[str]]:
    """Returns what the backbone generates elsewhere."""
    network = load(backbone_folder)
    tokenizer = load_tokenizer(backbone_folder, network.config.vocab_size)

    def texts(**settings: Any) -> list[str]:
        return write_texts(network, tokenizer, PROMPT, GenerationConfig(**settings))

    return texts


def test_a_completion_is_what_the_backbone_generates(
    client: TestClient, expected: Callable[..., list[str]]
) -> None:
    answer = complete(client, max_tokens=8).json()
    assert [choice["text"] for choice in answer["choices"]] == expected(
        temperature=0, max_new_tokens=8
    )
    assert answer["object"] == "text_completion"
    assert (answer["model"], answer["model_run"]) == ("backbone", "run-of-backbone")
    assert answer["choices"][0]["finish_reason"] in ("stop", "length")
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens"] <= 8


def test_samples_have_their_seed_and_differ(
    client: TestClient, expected: Callable[..., list[str]]
) -> None:
    settings = {"temperature": 1.0, "seed": 3, "top_p": 0.9, "top_k": 40, "min_p": 0.01}
    answer = complete(client, max_tokens=8, n=3, **settings).json()
    texts = [choice["text"] for choice in answer["choices"]]
    assert texts == expected(max_new_tokens=8, samples=3, **settings)
    assert len({*texts}) > 1


def test_top_k_can_be_switched_off(client: TestClient, expected: Callable[..., list[str]]) -> None:
    settings = {"temperature": 50.0, "seed": 3, "top_k": None}
    answer = complete(client, max_tokens=8, **settings).json()
    assert [choice["text"] for choice in answer["choices"]] == expected(
        max_new_tokens=8, **settings
    )


@pytest.mark.parametrize("echo", [False, True])
def test_a_stream_has_the_pieces_of_the_whole_text(client: TestClient, echo: bool) -> None:
    whole = complete(client, max_tokens=8, echo=echo).json()
    options = {"include_usage": True}
    answer = complete(client, max_tokens=8, echo=echo, stream=True, stream_options=options)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *found, last = events(answer)
    texts = [event["choices"][0]["text"] for event in found]
    assert "".join(texts) == whole["choices"][0]["text"]
    assert "".join(texts).startswith(PROMPT) is echo
    assert found[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert (last["choices"], last["usage"]) == ([], whole["usage"])


@pytest.fixture
def response(model_folder: Callable[[str], Path]) -> str:
    """What the model of the task responds elsewhere."""
    [prediction] = load_predictor(model_folder("generation"))(["the room"])
    return str(prediction["response"])


@pytest.mark.parametrize("is_network", [True, False])
def test_a_task_that_writes_responses_chats(
    client: TestClient, response: str, is_network: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_network:  # as if it were a baseline
        monkeypatch.setattr(text_models, "_open", lambda predictor: None)
    answer = chat(client, "the room", temperature=0).json()
    [choice] = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": response}
    assert (answer["object"], answer["model"]) == ("chat.completion", "chat")
    assert (answer["usage"] is None) is not is_network
    pieces = events(chat(client, "the room", temperature=0, stream=True))
    assert pieces[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(p["choices"][0]["delta"]["content"] for p in pieces) == response


def test_a_model_that_samples_nothing_says_so(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_models, "_open", lambda predictor: None)
    answer = chat(client, "the room", temperature=0.7)
    assert answer.status_code == 422
    assert "The model of chat samples nothing: remove it." in answer.text
    for name in ("max_tokens", "max_completion_tokens"):
        answer = chat(client, "the room", **{name: 9})
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, name)
        assert "The model of chat answers with whole texts: remove it." in answer.text
    assert chat(client, "the room", seed=3).status_code == 200


class Responder:
    """A model that answers whole texts, of which filters block one, and which truncates them."""

    columns, redaction, weights = ("text",), UNREDACTED, (1.0,)

    def stream_weighted(self, given: Any, *_: Any, **__: Any) -> list[tuple[dict[str, Any]]]:
        words = {"ask": "one two", "praise": "one lovely two"}
        return [({"response": words[text], "is_cut": True},) for text in given]


@pytest.mark.parametrize(
    ("asked", "text", "reason"), [("ask", "one two", "length"), ("praise", "", "content_filter")]
)
def test_a_whole_text_that_is_cut_or_blocked_says_so(
    serve: Serve,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
    text: str,
    reason: str,
) -> None:
    monkeypatch.setattr(text_models, "_open", lambda predictor: None)
    with serve(praise_filter("block", "output")) as client:
        slot = models.tasks["chat"]
        slot.loaded = replace(slot.get(), model=Responder())  # type: ignore[arg-type]
        [choice] = chat(client, asked).json()["choices"]
        streamed = events(chat(client, asked, stream=True))[0]["choices"][0]
        path = "/v1/tasks/chat/predict"
        [prediction] = client.post(path, json={"inputs": [asked]}).json()["predictions"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (text, reason)
    assert (streamed["delta"]["content"], streamed["finish_reason"]) == (text, reason)
    assert prediction["response"] == (text or None)


def test_a_chat_is_sampled_by_its_seed_up_to_a_length(client: TestClient) -> None:
    settings = {"temperature": 1.5, "max_tokens": 3, "n": 2}
    answers = [chat(client, "the room", seed=seed, **settings).json() for seed in (1, 1, 5)]
    texts = [[choice["message"]["content"] for choice in a["choices"]] for a in answers]
    assert texts[0] == texts[1] != texts[2]
    assert answers[0]["usage"]["completion_tokens"] <= 6


def test_the_models_are_listed(client: TestClient) -> None:
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == [
        "backbone",
        "chat",
    ]


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"model": "mood"}, 404, "'mood' does not complete: use backbone."),
        ({"temperature": -1}, 422, "temperature: Input should be greater than or equal to 0"),
        ({"top_p": 0}, 422, "top_p"),
        ({"max_tokens": 0}, 422, "max_tokens"),
        ({"max_tokens": 65}, 422, "65 tokens are more than 64 (serve.max_new_tokens)."),
        ({"n": 99}, 422, "n: Input should be less than"),
        ({"logit_bias": {}}, 422, "logit_bias: Extra inputs are not permitted"),
        ({"stop": ""}, 422, "stop.0: String should have at least 1 character"),
        ({"stop": "a" * 101}, 422, "stop.0: String should have at most 100 characters"),
        ({"stop": ["a"] * 17}, 422, "stop: Tuple should have at most 16 items"),
        ({"prompt": []}, 422, "prompt"),
        ({"prompt": None}, 422, "prompt"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(
    serve: Serve, changed: dict[str, Any], status: int, words: str
) -> None:
    with serve(max_new_tokens=64) as client:
        answer = complete(client, **changed)
    shown = str(answer.json()["error"]["message"])
    assert (answer.status_code, words in shown) == (status, True), shown


@pytest.mark.parametrize("stream", [False, True])
def test_half_a_character_is_replaced_in_prompts_and_messages(
    client: TestClient, stream: bool
) -> None:
    def written(text: str) -> list[str]:
        settings = {"max_tokens": 4, "temperature": 0, "stream": stream}
        turns = [{"role": "user", "content": text}]
        bodies = {"completions": {"prompt": text}, "chat/completions": {"messages": turns}}
        headers = {"content-type": "application/json"}  # json= would encode it, which fails
        answers = [
            client.post(f"/v1/{path}", content=json.dumps(body | settings), headers=headers)
            for path, body in bodies.items()
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        return [re.sub(r'"(id|created)":[^,]*', "", answer.text) for answer in answers]

    assert written("the \ud800room") == written("the \ufffdroom")


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"model": "mood"}, 404, "'mood' does not chat: use one of chat, backbone."),
        ({"temperature": -1}, 422, "temperature"),
        ({"max_tokens": 9999}, 422, "9999 tokens are more than 1024 (serve.max_new_tokens)."),
        ({"messages": [{"role": "assistant", "content": "a"}]}, 422, "add one of the user."),
        ({"messages": []}, 422, "messages"),
        ({"messages": [{"role": "robot", "content": "a"}]}, 422, "role"),
        ({"model": "backbone"}, 422, "chat template"),
    ],
)
def test_what_is_wrong_with_a_chat_is_said(
    client: TestClient, changed: dict[str, Any], status: int, words: str
) -> None:
    answer = chat(client, "the room", **changed)
    shown = str(answer.json()["error"]["message"])
    assert (answer.status_code, words in shown) == (status, True), shown


def praise_filter(action: FilterAction, side: FilterSide) -> ContentFilter:
    words = ("lovely", "splendid")
    rule = FilterConfig(category="praise", patterns=words, action=action, applies_to=side)
    return ContentFilter([rule])


def test_a_blocked_prompt_is_refused_with_the_category(serve: Serve) -> None:
    with serve(praise_filter("block", "prompt")) as client:
        answers = [complete(client), chat(client, PROMPT)]
        metrics = client.get("/metrics").text
    for answer in answers:
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "content_filter"
        assert "praise" in answer.json()["error"]["message"]
    assert 'textmill_filtered_total{action="block",category="praise"' in metrics


def test_a_flagged_prompt_is_answered_and_says_so(serve: Serve) -> None:
    with serve(praise_filter("flag", "prompt")) as client:
        answer = complete(client, max_tokens=4).json()
    [found] = answer["filtered"]
    assert (found["category"], found["action"], found["side"]) == ("praise", "flag", "prompt")
    assert PROMPT[found["start"] : found["end"]] == "lovely"


def test_a_stream_has_each_finding_once(serve: Serve) -> None:
    with serve(praise_filter("flag", "prompt")) as client:
        first, second, *rest = events(complete(client, max_tokens=8, n=2, stream=True))
        whole = complete(client, max_tokens=8, n=2).json()
    assert len(whole["filtered"]) == 1
    assert first["filtered"] == whole["filtered"]
    assert [event["filtered"] for event in (second, *rest)] == [[]] * (1 + len(rest))


@pytest.mark.parametrize("stream", [False, True])
def test_a_text_that_the_server_ends_is_a_refusal(
    client: TestClient, models: Models, stream: bool
) -> None:
    engine = slow_engine(models)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(complete, client, max_tokens=1000, n=8, temperature=1, stream=stream)
        wait_until(lambda: engine.n_active == 8)
        engine.close(0)
    assert answer.result().status_code == (200 if stream else 503)
    assert "The server is stopping." in answer.result().text


class SlowFilter(ContentFilter):
    """A filter that takes as long as a request may take."""

    def check(self, *args: Any) -> Checked:
        time.sleep(0.5)
        return super().check(*args)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("is_chat", [False, True])
def test_the_check_of_a_prompt_and_its_answer_share_the_time_of_a_request(
    serve: Serve, models: Models, is_chat: bool, stream: bool
) -> None:
    with serve(SlowFilter([]), timeout_s=0.5) as client:
        slow_engine(models)
        ask = partial(chat, client, PROMPT) if is_chat else partial(complete, client)
        answer = ask(max_tokens=2, stream=stream)
    assert "No answer within 0.5 s." in answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_an_echo_is_the_prompt_as_the_filters_leave_it(serve: Serve, stream: bool) -> None:
    with serve(praise_filter("mask", "prompt")) as client:
        answer = complete(client, max_tokens=2, echo=True, stream=stream)
    [choice] = (events(answer)[0] if stream else answer.json())["choices"]
    assert choice["text"].startswith("a [PRAISE]")


def test_too_many_waiting_requests_are_refused(serve: Serve) -> None:
    with serve(max_waiting=1) as client, ThreadPoolExecutor(60) as pool:
        many = pool.map(lambda _: complete(client, max_tokens=200, n=8), range(60))
        statuses = {answer.status_code for answer in many}
    assert statuses == {200, 429}
