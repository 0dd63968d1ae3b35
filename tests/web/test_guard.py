"""Specifies whom a server answers: its own host and origin alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from textmill.web.guard import Guard

HOSTS = [
    *("127.0.0.1:4200", "localhost:4200", "[::1]:4200", "proxy.example"),
    *("box.example:80", "[::2]:80", "tls.example:443"),
]
OWN = {"host": "127.0.0.1:4200"}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("open")
    await socket.close()


def answer(request: Any) -> PlainTextResponse:
    return PlainTextResponse("secret", headers={"access-control-allow-origin": "*"})


@pytest.fixture
def client() -> TestClient:
    app = Starlette(routes=[Route("/", answer, methods=METHODS), WebSocketRoute("/in", echo)])
    return TestClient(Guard(app, HOSTS))  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "headers",
    [
        OWN,
        OWN | {"origin": "http://127.0.0.1:4200"},
        {"host": "LocalHost:4200", "origin": "http://localhost:4200"},
        {"host": "[::1]:4200", "origin": "http://[::1]:4200"},
        {"host": "proxy.example", "origin": "https://proxy.example"},
        {"host": "proxy.example:8443", "origin": "https://proxy.example:8443"},
        {"host": "box.example", "origin": "http://box.example"},
        {"host": "box.example:80", "origin": "http://box.example"},
        {"host": "[::2]", "origin": "http://[::2]"},
        {"host": "tls.example", "origin": "https://tls.example"},
        {"host": "tls.example:443", "origin": "https://tls.example"},
        OWN | {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"},
        OWN | {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
    ],
)
def test_its_own_page_and_programs_are_answered(
    client: TestClient, method: str, headers: dict[str, str]
) -> None:
    answered = client.request(method, "/", headers=headers)
    assert (answered.status_code, answered.text) == (200, "secret")
    assert answered.headers["x-frame-options"] == "SAMEORIGIN"


REFUSED = [
    {"host": "evil.example:4200"},
    {"host": "127.0.0.1:4201"},
    {"host": "127.0.0.1"},
    {"host": "evil.proxy.example"},
    {"host": "proxy.example.evil:80"},
    {"host": ""},
    {"host": ":80"},
    {"host": "box.example:443"},
    {"host": "tls.example:8443"},
    {"host": "box.example", "origin": "http://box.example:8080"},
    {"host": "tls.example:443", "origin": "http://tls.example"},
    OWN | {"origin": "http://["},
    OWN | {"origin": "http://[::1"},
    OWN | {"origin": "http://evil.example"},
    OWN | {"origin": "http://localhost:4200"},
    OWN | {"origin": "http://127.0.0.1:3000"},
    OWN | {"origin": "http://127.0.0.1:4200.evil.example"},
    OWN | {"origin": "http://127.0.0.1:4200@evil.example"},
    OWN | {"origin": "null"},
    OWN | {"origin": ""},
    OWN | {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    OWN | {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
    OWN
    | {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "iframe",
    },
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("headers", REFUSED)
def test_others_learn_and_do_nothing(
    client: TestClient, method: str, headers: dict[str, str]
) -> None:
    answered = client.request(method, "/", headers=headers)
    assert answered.status_code == 403
    assert "secret" not in answered.text
    assert "access-control-allow-origin" not in answered.headers


def test_two_hosts_or_origins_are_one_too_many(client: TestClient) -> None:
    twice = [("host", "127.0.0.1:4200"), ("host", "evil.example")]
    assert client.get("/", headers=twice).status_code == 403  # type: ignore[arg-type]
    twice = [("origin", "http://127.0.0.1:4200"), ("origin", "http://evil.example")]
    headers = [("host", "127.0.0.1:4200"), *twice]
    assert client.get("/", headers=headers).status_code == 403  # type: ignore[arg-type]


def test_a_link_from_elsewhere_may_be_followed(client: TestClient) -> None:
    followed = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    assert client.get("/", headers=OWN | followed).status_code == 200
    sent = OWN | followed | {"origin": "http://evil.example"}
    assert client.post("/", headers=sent).status_code == 403  # a form


@contextmanager
def refused_socket() -> Iterator[None]:
    with pytest.raises(WebSocketDisconnect) as closed:
        yield
    assert closed.value.code == 1008


@pytest.mark.parametrize("headers", [*REFUSED])
def test_web_sockets_are_guarded_too(client: TestClient, headers: dict[str, str]) -> None:
    with refused_socket(), client.websocket_connect("/in", headers=headers):
        pass
    with client.websocket_connect("/in", headers=OWN) as socket:
        assert socket.receive_text() == "open"


def test_a_refused_name_says_what_would_let_it_in(client: TestClient) -> None:
    said = client.get("/", headers={"host": "box:4200"}).text
    assert "'box:4200'" in said
    assert "tracking.allowed_hosts" in said
