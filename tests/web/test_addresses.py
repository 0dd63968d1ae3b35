"""Specifies names and ports: whose they are, who has them, and which proxy is passed by."""

from __future__ import annotations

import os
import socket
import urllib.request

import pytest

from textmill.errors import RunError
from textmill.web.addresses import (
    bypass_proxies,
    is_loopback,
    listen,
    local_address,
    own_hosts,
    portless,
    public_place,
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("localhost.example.org", False),
        ("box", False),
    ],
)
def test_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


@pytest.mark.parametrize(
    ("host", "allowed_hosts", "expected"),
    [
        ("127.0.0.1", [], None),
        ("::1", ["Localhost", "127.0.0.1:90", "[::1]:90", "[::1]"], None),
        ("0.0.0.0", [], "on 0.0.0.0"),
        ("localhost", ["localhost:90", "box:90"], "reached as box:90"),
        ("localhost", ["[2001:db8::1]:90"], "reached as [2001:db8::1]:90"),
        ("localhost", ["[wrong"], "reached as [wrong"),
    ],
)
def test_a_proxy_on_this_machine_lets_others_reach_a_server(
    host: str, allowed_hosts: list[str], expected: str | None
) -> None:
    assert public_place(host, allowed_hosts) == expected


def test_a_server_goes_by_its_names_here_and_by_those_given() -> None:
    here = {"127.0.0.1:80", "localhost:80", "[::1]:80"}
    assert set(own_hosts("127.0.0.1", 80)) == here
    assert set(own_hosts("0.0.0.0", 80, ["box:80"])) == here | {"box:80"}
    assert set(own_hosts("192.168.1.5", 80)) == here | {"192.168.1.5:80"}
    assert local_address("0.0.0.0", 80) == "127.0.0.1:80"


def test_clients_leave_the_ports_of_http_and_https_out() -> None:
    assert portless(own_hosts("127.0.0.1", 80)) == {"127.0.0.1", "localhost", "[::1]"}
    assert portless(["a:443", "b:8080", "c", "d:4430", "e:180"]) == {"a"}


@pytest.mark.parametrize("given", ["", "corp.example, 10.0.0.1", "localhost"])
def test_this_machine_is_reached_past_a_proxy(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, given)  # restored after the test
    bypass_proxies("box")
    for host in ("127.0.0.1", "localhost", "box"):
        assert urllib.request.proxy_bypass_environment(f"{host}:80")  # type: ignore[attr-defined]
    assert not urllib.request.proxy_bypass_environment("other:80")  # type: ignore[attr-defined]
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"]
    assert os.environ["no_proxy"].startswith(given)
    before = os.environ["no_proxy"]
    bypass_proxies("box")
    assert os.environ["no_proxy"] == before


def test_no_proxy_for_anything_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    bypass_proxies()
    assert urllib.request.proxy_bypass_environment("other:80")  # type: ignore[attr-defined]


@pytest.mark.parametrize("held", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_a_silent_program_holds_is_named(held: str) -> None:
    with socket.create_server((held, 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(RunError, match=f"Port {port} of 127.0.0.1 .*set tracking.x_port"):
            listen("127.0.0.1", port, "tracking.x_port")


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(RunError, match="of 192.0.2.1 cannot be used"):
        listen("192.0.2.1", 0, "tracking.x_port")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="sockets have one family")
@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
def test_all_addresses_of_ipv6_are_those_of_ipv4_too(client: str) -> None:
    with listen("::", 0, "x") as listening:
        port = listening.getsockname()[1]
        assert local_address("::", port) == f"127.0.0.1:{port}"
        with socket.create_connection((client, port)):
            pass


def test_a_server_of_ipv6_alone_has_an_address_of_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    assert local_address("::", 80) == "[::1]:80"


def test_connections_send_small_packets_at_once() -> None:
    with (
        listen("127.0.0.1", 0, "x") as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
