"""What stands before a server: requests of other hosts' names and other pages' origins are refused.

A page of any site can send requests to servers of this machine. What it sends names the page's own
origin, or, where the page has its name point to this machine (DNS rebinding), its own host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """An ASGI application in front of another, for HTTP and for web sockets.

    Args:
        app: the application that answers what is let through.
        hosts: what the header Host may say, NAME:PORT, or NAME for any port.
    """

    def __init__(self, app: App, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with status 403."""
        reason = None if scope["type"] == "lifespan" else self._refusal(scope)
        if reason is None:
            await self.app(scope, receive, _unframed(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            kind = (b"content-type", b"text/plain; charset=utf-8")
            await send({"type": "http.response.start", "status": 403, "headers": [kind]})
            await send({"type": "http.response.body", "body": reason.encode()})

    def _refusal(self, scope: Scope) -> str | None:
        """Return why a request is refused, or None."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or not self._knows(hosts[0]):
            return (
                f"Host {', '.join(hosts)!r} is not served here: add it to tracking.allowed_hosts."
            )
        # Programs other than browsers send no origin.
        if any(urlsplit(origin).netloc != hosts[0] for origin in origins):
            return f"Requests of other origins ({', '.join(origins)}) are refused."
        if _is_embedded(scope):
            return "This may not be embedded in pages of other origins."
        return None

    def _knows(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        return host in self.hosts or (port.isdigit() and name in self.hosts)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for key, value in scope["headers"] if key == name]


def _is_embedded(scope: Scope) -> bool:
    """Return whether another page loads this as a part of its own; a link to it may be followed.

    Such a request may come without an origin: of an image, a script, a frame.
    """
    if not {"cross-site", "same-site"} & {*_values(scope, b"sec-fetch-site")}:
        return False
    is_followed = _values(scope, b"sec-fetch-mode") == ["navigate"]
    return not (is_followed and _values(scope, b"sec-fetch-dest") == ["document"])


def _unframed(send: Send) -> Send:
    """Forbid browsers that send no Sec-Fetch-Dest to show an answer in another page's frame."""

    async def send_unframed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", [])]
            if not any(key.lower() == b"x-frame-options" for key, _ in headers):
                headers.append((b"x-frame-options", b"SAMEORIGIN"))
            message = {**message, "headers": headers}
        await send(message)

    return send_unframed
