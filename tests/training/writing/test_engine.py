"""Specifies generation for several threads: each request gets its own texts, whoever else asks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tokenizers import Tokenizer

from tests.training.writing.conftest import config
from textmill.config import GenerationConfig
from textmill.errors import InputError, RunError
from textmill.model import GPT
from textmill.model.continuous_batch import ContinuousBatch
from textmill.training.writing import write_texts
from textmill.training.writing.engine import Engine, Stream

ENDLESS = config(max_new_tokens=10**9, temperature=0)


@pytest.fixture
def engine(network: GPT, tokenizer: Tokenizer) -> Iterator[Engine]:
    with Engine(network, tokenizer, max_texts=3) as engine:
        yield engine


def texts(stream: Stream) -> list[str]:
    found = [""] * stream.config.samples
    for piece in stream:
        found[piece.sample] += piece.text
    return found


def test_requests_of_many_threads_get_the_texts_of_each_alone(
    engine: Engine, network: GPT, tokenizer: Tokenizer
) -> None:
    requests: list[tuple[str, GenerationConfig]] = [
        ("The quick " * n, config(seed=n, samples=1 + n % 3, max_new_tokens=5 + n))
        for n in range(8)
    ]

    def ask(request: tuple[str, GenerationConfig]) -> list[str]:
        return texts(engine.submit(*request))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, requests))
    assert found == [write_texts(network, tokenizer, *request) for request in requests]
    assert (engine.n_active, engine.n_waiting) == (0, 0)


def test_a_stream_counts_tokens_and_says_why_its_texts_ended(
    engine: Engine, tokenizer: Tokenizer
) -> None:
    stream = engine.submit("The", config(samples=2, max_new_tokens=4))
    assert stream.prompt.ids == [0, *tokenizer.encode("The").ids]
    assert stream.reasons == [None, None]
    texts(stream)
    assert (stream.n_tokens, stream.reasons) == ([4, 4], ["length", "length"])
    assert list(stream) == []


@pytest.mark.timeout(60)
def test_a_cancelled_request_makes_room_for_others(engine: Engine) -> None:
    streams = [engine.submit("The", ENDLESS) for _ in range(3)]
    waiting = engine.submit("The", config(max_new_tokens=3))
    for stream in streams:
        next(stream)
    with pytest.raises(TimeoutError, match="no text within 0.01 s"):
        waiting.get(0.01)
    assert (engine.n_active, engine.n_waiting) == (3, 1)
    streams[0].cancel()
    assert texts(waiting)
    assert sum(1 for _ in streams[0]) < 10**6  # it ends
    with streams[1]:
        pass
    assert sum(1 for _ in streams[1]) < 10**6
    streams[2].cancel()


@pytest.mark.timeout(60)
def test_closing_finishes_what_was_asked_and_refuses_more(
    network: GPT, tokenizer: Tokenizer
) -> None:
    engine = Engine(network, tokenizer, max_texts=1)
    streams = [engine.submit("The", config(max_new_tokens=5)) for _ in range(3)]
    engine.close()
    assert all(texts(stream) for stream in streams)
    with pytest.raises(RunError, match="is being unloaded"):
        engine.submit("The", config())
    engine.close()


@pytest.mark.timeout(60)
def test_closing_ends_requests_that_take_too_long(network: GPT, tokenizer: Tokenizer) -> None:
    engine = Engine(network, tokenizer)
    stream = engine.submit("The", ENDLESS)
    next(stream)
    engine.close(timeout_s=0.05)
    assert sum(1 for _ in stream) < 10**6
    assert stream.reasons == [None]


@pytest.mark.timeout(60)
def test_a_failure_ends_the_requests_and_not_the_engine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ContinuousBatch) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(ContinuousBatch, "step", fail)
        streams = [engine.submit("The", config()) for _ in range(2)]
        for stream in streams:
            with pytest.raises(RunError, match="generation failed: out of memory"):
                texts(stream)
    assert texts(engine.submit("The", config()))


def test_a_request_that_cannot_be_answered_is_refused_at_once(engine: Engine) -> None:
    with pytest.raises(InputError, match="more than the context of 12"):
        engine.submit("The cat sat. " * 9, config(when_full="stop"))
    for ids in ([300], [-1, 3]):
        with pytest.raises(InputError, match="has the token .*, but the model has tokens from 0"):
            engine.submit(ids, config())
    assert (engine.n_active, engine.n_waiting) == (0, 0)
