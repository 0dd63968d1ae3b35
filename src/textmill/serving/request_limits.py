"""ASGI middleware that requires the token, limits requests, and ends those of clients that left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection

import anyio

from textmill.serving.refusals import Refusal, stopping
from textmill.web.guard import App, Message, Receive, Scope, Send
from textmill.web.token import is_authorized


class Limits:
    """Receives the body of a request before the application sees it.

    A client that sends too much or too slowly is refused, and never occupies the application.

    Args:
        app: the application.
        max_body_bytes: maximum size of a body.
        timeout_s: maximum seconds to receive it.
        token: the token that requests need; None: they need none.
        open_paths: paths that need no token.
    """

    def __init__(
        self,
        app: App,
        max_body_bytes: int,
        timeout_s: float,
        token: str | None = None,
        open_paths: Collection[str] = (),
    ) -> None:
        self.app = app
        self.max_body_bytes, self.timeout_s = max_body_bytes, timeout_s
        self.token, self.open_paths = token, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_begun = False

        async def send_noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._answer(scope, receive, send_noted)
        except asyncio.CancelledError:
            # The server stops: one of a client that has left ends in `_forward`.
            if not has_begun:
                await _refuse(stopping(), send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request once its body has arrived, or refuse it."""
        try:
            self._check_token(scope)
            async with asyncio.timeout(self.timeout_s):
                body = await self._body(scope, receive)
        except TimeoutError:
            refusal = Refusal(408, f"The request did not arrive within {self.timeout_s:g} s.")
            await _refuse(refusal, send)
            return
        except Refusal as refusal:
            await _refuse(refusal, send)
            return
        if body is not None:  # or else the client has left
            await self._forward(scope, body, receive, send)

    async def _forward(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Forward a request; what would answer it is cancelled if the client leaves."""

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            until_left.cancel()

        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                watching.cancel()  # servers say "disconnect" after the answer as well
            await send(message)

        watching = asyncio.create_task(watch())
        try:
            with anyio.CancelScope() as until_left:
                await self.app(scope, _Replay(body), pass_on)
        finally:
            watching.cancel()

    def _check_token(self, scope: Scope) -> None:
        """Raise a Refusal unless the request has the token, or needs none."""
        if self.token is None or scope["path"] in self.open_paths:
            return
        given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        if not is_authorized(given, self.token):
            raise Refusal(401, "The token is missing or wrong: send Authorization: Bearer TOKEN.")

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body of a request, or None if the client has left.

        Raises:
            Refusal: it is too large.
        """
        refusal = Refusal(
            413,
            f"The request has more than {self.max_body_bytes:,} bytes: send less at once, or raise "
            "serve.max_body_bytes.",
        )
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self.max_body_bytes:
            raise refusal
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > self.max_body_bytes:
                raise refusal
            if not message.get("more_body", False):
                return bytes(body)


class _Replay:
    """Passes on a body that was received; nothing else comes before the application ends."""

    def __init__(self, body: bytes) -> None:
        self.body: bytes | None = body

    async def __call__(self) -> Message:
        if self.body is None:
            await asyncio.Event().wait()  # it is cancelled when the client leaves
        body, self.body = self.body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _refuse(refusal: Refusal, send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers += [(key.lower().encode(), value.encode()) for key, value in refusal.headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(refusal.body).encode()})
