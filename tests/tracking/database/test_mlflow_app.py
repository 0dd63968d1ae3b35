"""Specifies which Host headers MLflow accepts besides the guard: the same ones."""

from __future__ import annotations

import pytest

from textmill.tracking.database.mlflow_app import host_patterns
from textmill.web.addresses import own_hosts


@pytest.mark.parametrize(
    ("port", "host", "expected"),
    [
        (5000, "localhost:5000", True),
        (5000, "localhost", False),
        (5000, "localhost:80", False),
        (80, "localhost:80", True),
        (80, "localhost", True),
        (80, "[::1]", True),
        (443, "127.0.0.1", True),
        (80, "evil.example", False),
        (5000, "ml.example:8443", True),
        (5000, "ml.example", True),
        (5000, "tls.example", True),
        (5000, "tls.example:80", False),
    ],
)
def test_clients_may_leave_a_default_port_out(port: int, host: str, expected: bool) -> None:
    from mlflow.server.security_utils import is_allowed_host_header

    hosts = own_hosts("127.0.0.1", port, ["ml.example", "tls.example:443"])
    assert is_allowed_host_header(host_patterns(hosts), host) == expected
