"""Names and ports of servers: which are this machine's, who else may use them, past which proxy."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable

from textmill.errors import RunError

HERE = ("127.0.0.1", "localhost", "::1")
"""Names of this machine for itself."""
NO_PROXY = ("no_proxy", "NO_PROXY")
"""What urllib, requests, httpx and websockets read, in this order."""


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reached_at(host: str, port: int) -> str:
    """Return NAME:PORT under which this machine reaches what listens on a host."""
    if host in ("0.0.0.0", "::"):  # all of this machine's addresses
        host = HERE[0]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def own_hosts(host: str, port: int, further: Iterable[str] = ()) -> list[str]:
    """Return what the header Host may say to a server: its names here, and further ones."""
    return sorted({*(reached_at(name, port) for name in (*HERE, host)), *further})


def past_proxies(*hosts: str) -> None:
    """Reach this machine, and the hosts given, past any proxy that the environment names.

    Has to come before a request: every library reads the environment anew, or at its first.
    """
    given = next((os.environ[name] for name in NO_PROXY if os.environ.get(name)), "")
    if given.strip() == "*":  # nothing goes through a proxy
        return
    names = [name for name in given.split(",") if name.strip()]
    names += [name for name in (*HERE, *hosts) if name not in names]
    for variable in NO_PROXY:
        os.environ[variable] = ",".join(names)


def listen(host: str, port: int, setting: str) -> socket.socket:
    """Return a socket that listens, so that nobody else can have the port any more.

    Args:
        host: name or address of this machine.
        port: 0 means any that is free.
        setting: what sets the port; or what else may help.

    Raises:
        RunError: something else listens there, whether it answers or not; or there is no such host.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise RunError(
            f"Port {port} of {host} cannot be used ({error.strerror}): stop the program that has "
            f"it, or set {setting}."
        ) from None
