"""Specifies what a server does not read: bodies that are too large or too slow, without a token."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from textmill.serving.request_limits import Limits

TOKEN = "0123456789abcdef"


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


APP = Starlette(routes=[Route("/", echo, methods=["POST"]), Route("/health", echo)])


def client(**changed: Any) -> TestClient:
    settings = {"max_body_bytes": 10, "timeout_s": 5, "open_paths": ("/health",)} | changed
    return TestClient(Limits(APP, **settings))  # type: ignore[arg-type]


def chunks() -> Iterator[bytes]:
    yield b"12345"
    yield b"67890"
    yield b"x"


def test_a_body_of_the_maximum_arrives_whole() -> None:
    assert client().post("/", content=b"1234567890").text == "1234567890"


@pytest.mark.parametrize("content", [b"12345678901", chunks()])
def test_a_larger_body_is_refused_whether_its_length_is_declared_or_not(content: Any) -> None:
    answer = client().post("/", content=content)
    assert answer.status_code == 413
    assert "more than 10 bytes" in answer.json()["error"]["message"]
    assert "serve.max_body_bytes" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"authorization": f"bearer  {TOKEN}"}, 200),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": f"Bearer {TOKEN}x"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": "Bearer \xff"}, 401),
    ],
)
def test_the_token_is_required_where_one_is_set(headers: dict[str, str], status: int) -> None:
    sent = {key: value.encode("latin-1") for key, value in headers.items()}
    answer = client(token=TOKEN).post("/", content=b"a", headers=sent)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_an_open_path_needs_no_token() -> None:
    assert client(token=TOKEN).get("/health").status_code == 200


def test_a_client_that_hangs_is_refused_after_the_timeout() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/", "method": "POST", "headers": []}
    asyncio.run(Limits(APP, 10, 0.05)(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_a_client_that_leaves_while_it_sends_is_forgotten() -> None:
    messages = iter(
        [
            {"type": "http.request", "body": b"12", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "path": "/", "method": "POST", "headers": []}
    asyncio.run(Limits(APP, 10, 5)(scope, receive, send))  # type: ignore[arg-type]


class Conversation:
    """A request, and what an application does about it; the client leaves when told."""

    def __init__(self) -> None:
        self.messages: list[Any] = [{"type": "http.request", "body": b"1234"}]
        self.begun, self.leaves = asyncio.Event(), asyncio.Event()
        self.is_cancelled = False
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        if self.messages:
            return self.messages.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"] == b"1234"
        self.begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise


def test_what_answers_a_client_that_leaves_is_cancelled() -> None:
    async def leave() -> Conversation:
        talk = Conversation()
        limits = Limits(talk.app, 10, 5)
        scope = {"type": "http", "path": "/", "headers": []}
        running = asyncio.create_task(limits(scope, talk.receive, talk.send))
        await talk.begun.wait()
        talk.leaves.set()
        async with asyncio.timeout(10):
            await running
        return talk

    talk = asyncio.run(leave())
    assert (talk.is_cancelled, talk.sent) == (True, [])


@pytest.mark.parametrize("stage", ["body", "answer", "begun"])
def test_a_server_that_stops_refuses_what_it_has_not_begun_to_answer(stage: str) -> None:
    """Servers cancel the requests that remain after their time to stop."""

    async def stop() -> list[Any]:
        talk = Conversation()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if stage == "begun":
                await send({"type": "http.response.start", "status": 200})
            await talk.app(scope, receive, send)

        if stage == "body":
            talk.messages[0]["more_body"] = True
            talk.begun.set()
        scope = {"type": "http", "path": "/", "headers": []}
        running = asyncio.create_task(Limits(app, 10, 5)(scope, talk.receive, talk.send))
        await talk.begun.wait()
        await asyncio.sleep(0)
        running.cancel()
        await running
        return talk.sent

    first, *rest = asyncio.run(stop())
    if stage == "begun":
        assert (first["status"], rest) == (200, [])
    else:
        assert first["status"] == 503
        assert b"The server is stopping." in rest[0]["body"]


def test_what_follows_a_whole_answer_is_not_cancelled() -> None:
    """A server says that the client has left once the answer is sent, too."""

    async def answer() -> bool:
        talk, is_done = Conversation(), False

        async def app(scope: Any, receive: Any, send: Any) -> None:
            nonlocal is_done
            await send({"type": "http.response.body", "body": b"1", "more_body": False})
            await asyncio.sleep(0.05)
            is_done = True

        async def send(message: Any) -> None:
            talk.leaves.set()

        scope = {"type": "http", "path": "/", "headers": []}
        await Limits(app, 10, 5)(scope, talk.receive, send)
        await asyncio.sleep(0)  # a cancellation that is late would be here
        return is_done

    assert asyncio.run(answer())


@pytest.mark.parametrize("error", [TimeoutError("late"), ValueError("wrong")])
def test_a_failure_of_the_application_is_passed_on(error: Exception) -> None:
    talk = Conversation()

    async def fail(*_: Any) -> None:
        raise error

    scope = {"type": "http", "path": "/", "headers": []}
    with pytest.raises(type(error), match=str(error)):
        asyncio.run(Limits(fail, 10, 5)(scope, talk.receive, talk.send))
