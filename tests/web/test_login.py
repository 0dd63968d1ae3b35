"""Specifies the login of the servers: where it comes from, who needs it, what is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from textmill.errors import InputError
from textmill.web.login import login, required_login, use_login

GOOD = "anna:a-long:password"
VARIABLES = ("PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEXTMILL_AUTH", "TEXTMILL_AUTH_FILE", *VARIABLES):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)


def test_it_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert login() is None
    (tmp_path / "secret").write_text(f"{GOOD}\n")
    monkeypatch.setenv("TEXTMILL_AUTH_FILE", str(tmp_path / "secret"))
    assert login() == ("anna", "a-long:password")
    monkeypatch.setenv("TEXTMILL_AUTH", "otto:another-password")
    assert login() == ("otto", "another-password")


@pytest.mark.parametrize("given", ["", ":", "anna", "anna:", ":a-long:password", "anna:short", " "])
@pytest.mark.parametrize("is_file", [False, True])
def test_an_empty_or_weak_one_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, is_file: bool
) -> None:
    (tmp_path / "secret").write_text(given)
    name, value = ("_FILE", str(tmp_path / "secret")) if is_file else ("", given)
    monkeypatch.setenv(f"TEXTMILL_AUTH{name}", value)
    for ask in (login, use_login, lambda: required_login("0.0.0.0", False)):
        with pytest.raises(InputError, match="USER:PASSWORD") as raised:
            ask()
        assert "short" not in str(raised.value)


def test_a_file_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTMILL_AUTH_FILE", "/no/such/file")
    with pytest.raises(InputError, match="TEXTMILL_AUTH_FILE=/no/such/file cannot be read"):
        login()


@pytest.mark.parametrize(
    ("host", "is_required", "allowed_hosts"),
    [
        ("0.0.0.0", False, []),
        ("192.168.1.5", False, []),
        ("127.0.0.1", True, []),
        ("127.0.0.1", False, ["ml.example.org"]),
    ],
)
def test_what_others_reach_needs_one(
    host: str, is_required: bool, allowed_hosts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="No login is set, and"):
        required_login(host, is_required, allowed_hosts)
    monkeypatch.setenv("TEXTMILL_AUTH", GOOD)
    assert required_login(host, is_required, allowed_hosts) == ("anna", "a-long:password")


def test_on_the_loopback_it_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTMILL_AUTH", GOOD)
    assert required_login("127.0.0.1", False) is None


def test_clients_use_it_unless_they_have_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    use_login()
    assert not [name for name in VARIABLES if name in os.environ]
    monkeypatch.setenv("TEXTMILL_AUTH", GOOD)
    use_login()
    assert [os.environ[name] for name in VARIABLES] == [GOOD, "anna", "a-long:password"]
    own = ("otto:his-own-password", "otto", "his-own-password")
    for name, value in zip(VARIABLES, own, strict=True):
        monkeypatch.setenv(name, value)
    use_login()
    assert tuple(os.environ[name] for name in VARIABLES) == own
