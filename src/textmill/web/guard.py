"""ASGI middleware that rejects requests with a foreign Host or Origin header.

A page of any site can send requests to servers on this machine. Such a request carries the page's
own origin or, if its domain resolves to this machine (DNS rebinding), the page's own host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from textmill.web.addresses import DEFAULT_PORTS, portless

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """ASGI middleware for HTTP and web sockets.

    Args:
        app: the application that answers accepted requests.
        hosts: allowed values of the Host header, NAME:PORT, or NAME for any port. Of ports 80 and
            443, headers may lack the port.
        setting: the setting of further hosts, for the message.
    """

    def __init__(
        self, app: App, hosts: Collection[str], setting: str = "tracking.allowed_hosts"
    ) -> None:
        self.app, self.setting = app, setting
        self.hosts = frozenset(host.lower() for host in hosts)
        self.portless = portless(self.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, or reject it with status 403."""
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
        """Return why a request is rejected, or None."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or not self._allows(hosts[0]):
            return f"Host {', '.join(hosts)!r} is not served here: add it to {self.setting}."
        # Clients other than browsers send no origin.
        if not all(_is_own(origin, hosts[0]) for origin in origins):
            return f"Requests from other origins ({', '.join(origins)}) are rejected."
        if _is_embedded(scope):
            return "This page cannot be embedded in pages of other origins."
        return None

    def _allows(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        is_known = host in self.hosts or host in self.portless
        return is_known or (port.isdigit() and name in self.hosts)


def _is_own(origin: str, host: str) -> bool:
    """Return whether a page of an origin comes from the host that a request goes to."""
    try:
        found = urlsplit(origin)
    except ValueError:  # such as http://[
        return False
    port = DEFAULT_PORTS.get(found.scheme, "")
    return found.netloc.removesuffix(port) == host.removesuffix(port)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for key, value in scope["headers"] if key == name]


def _is_embedded(scope: Scope) -> bool:
    """Return whether another page embeds this one, as an image, a script or a frame.

    Such requests may come without an origin. Following a link is not embedding.
    """
    if not {"cross-site", "same-site"} & {*_values(scope, b"sec-fetch-site")}:
        return False
    is_followed = _values(scope, b"sec-fetch-mode") == ["navigate"]
    return not (is_followed and _values(scope, b"sec-fetch-dest") == ["document"])


def _unframed(send: Send) -> Send:
    """Return `send` with X-Frame-Options, for browsers that send no Sec-Fetch-Dest."""

    async def send_unframed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", [])]
            if not any(key.lower() == b"x-frame-options" for key, _ in headers):
                headers.append((b"x-frame-options", b"SAMEORIGIN"))
            message = {**message, "headers": headers}
        await send(message)

    return send_unframed
