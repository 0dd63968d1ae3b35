"""Runs textmill where the environment names a proxy, and none that this machine's servers know."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.e2e.conftest import SMALL, Product

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

NAMES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def test_own_servers_are_reached_past_a_proxy(product: Product) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def note() -> None:
            while True:
                try:
                    connection = proxy.accept()[0]
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(200))

        threading.Thread(target=note, daemon=True).start()
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        product.environment = {**dict.fromkeys(NAMES, url), "NO_PROXY": "corp.example"}
        done = product.run("prepare", *SMALL)
        proxy.shutdown(socket.SHUT_RDWR)
    assert done.returncode == 0, done.stderr
    assert not [line for line in asked if b"127.0.0.1" in line or b"localhost" in line]
