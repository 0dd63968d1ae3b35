"""Addresses of servers: loopback names, allowed hosts, proxies, listening sockets."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable

from textmill.errors import RunError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
"""Names by which this machine reaches itself."""
ALL_IPV6 = "::"
"""All IPv6 addresses of this machine and, where sockets can have both, its IPv4 addresses."""
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
"""Ports by scheme, which clients leave out of the Host header."""
NO_PROXY = ("no_proxy", "NO_PROXY")
"""Environment variables that urllib, requests, httpx and websockets read, in this order."""


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address, reachable only from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def public_place(host: str, allowed_hosts: Iterable[str] = ()) -> str | None:
    """Return where others reach a server, such as "on 0.0.0.0"; None if only this machine does.

    Args:
        host: what it listens on.
        allowed_hosts: additional Host headers: those of a proxy that runs on the same machine.
    """
    if not is_loopback(host):
        return f"on {host}"
    names = ((name, re.sub(r":\d+$", "", name.lower()).strip("[]")) for name in allowed_hosts)
    return next((f"reached as {name}" for name, bare in names if not is_loopback(bare)), None)


def local_address(host: str, port: int) -> str:
    """Return the NAME:PORT at which this machine reaches a server that listens on a host."""
    if host == "0.0.0.0" or (host == ALL_IPV6 and socket.has_dualstack_ipv6()):
        host = "127.0.0.1"
    elif host == ALL_IPV6:
        host = "::1"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def own_hosts(host: str, port: int, extra: Iterable[str] = ()) -> list[str]:
    """Return the allowed Host headers of a server: its local names, and extra ones."""
    return sorted({*(local_address(name, port) for name in (*LOOPBACK_NAMES, host)), *extra})


def portless(hosts: Iterable[str]) -> set[str]:
    """Return the Host headers that clients send to those of some hosts that have a default port.

    Behind a proxy with TLS, a server does not know which scheme it is reached by.
    """
    ports = DEFAULT_PORTS.values()
    return {host.removesuffix(port) for host in hosts for port in ports if host.endswith(port)}


def bypass_proxies(*hosts: str) -> None:
    """Exclude this machine and the given hosts from the proxies that the environment sets.

    Must be called before the first request: some libraries read the environment only then.
    """
    given = next((os.environ[name] for name in NO_PROXY if os.environ.get(name)), "")
    if given.strip() == "*":  # nothing goes through a proxy
        return
    names = [name for name in given.split(",") if name.strip()]
    names += [name for name in (*LOOPBACK_NAMES, *hosts) if name not in names]
    for variable in NO_PROXY:
        os.environ[variable] = ",".join(names)


def listen(host: str, port: int, setting: str) -> socket.socket:
    """Return a listening socket, which reserves its port.

    Args:
        host: name or address of this machine.
        port: 0 means any free port.
        setting: the setting of the port, or another fix, for the message.

    Raises:
        RunError: the port is in use, or the host does not exist.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        is_dual = host == ALL_IPV6 and socket.has_dualstack_ipv6()
        listening = socket.create_server((host, port), family=family, dualstack_ipv6=is_dual)
    except OSError as error:
        raise RunError(
            f"Port {port} of {host} cannot be used ({error.strerror}): stop the program that uses "
            f"it, or set {setting}."
        ) from None
    # Connections inherit it. asyncio sets it only on sockets that name their protocol, and without
    # it an answer in two packets waits 40 ms for the client's acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
