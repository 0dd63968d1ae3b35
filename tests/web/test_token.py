"""Specifies the token: where it comes from, which are refused, and when one is required."""

from __future__ import annotations

from pathlib import Path

import pytest

from textmill.errors import InputError
from textmill.web.token import is_authorized, required_token, token

GOOD = "0123456789abcdef"


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTMILL_TOKEN", raising=False)
    monkeypatch.delenv("TEXTMILL_TOKEN_FILE", raising=False)


def test_it_comes_from_the_environment_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert token() is None
    file = tmp_path / "token"
    file.write_text(f"{GOOD}\n")
    monkeypatch.setenv("TEXTMILL_TOKEN_FILE", str(file))
    assert token() == GOOD
    monkeypatch.setenv("TEXTMILL_TOKEN", f"{GOOD}!")
    assert token() == f"{GOOD}!"


@pytest.mark.parametrize("bad", ["", "short", f"{GOOD} x", f"{GOOD}é", f"{GOOD}\x01"])
def test_a_token_that_no_header_can_hold_or_that_is_short_is_refused_unseen(
    monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    monkeypatch.setenv("TEXTMILL_TOKEN", bad)
    with pytest.raises(InputError, match="TEXTMILL_TOKEN is not a valid token: set") as error:
        token()
    assert GOOD not in str(error.value)


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTMILL_TOKEN_FILE", "/nowhere/token")
    with pytest.raises(InputError, match="TEXTMILL_TOKEN_FILE=/nowhere/token cannot be read"):
        token()


def test_only_loopback_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert required_token("127.0.0.1") is None
    with pytest.raises(InputError, match="a server on 0.0.0.0 requires one"):
        required_token("0.0.0.0")
    monkeypatch.setenv("TEXTMILL_TOKEN", GOOD)
    assert required_token("0.0.0.0") == required_token("localhost") == GOOD


def test_a_server_behind_a_proxy_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert required_token("127.0.0.1", ["localhost:9000"]) is None
    with pytest.raises(InputError, match=r"a server reached as models\.example\.org requires one"):
        required_token("127.0.0.1", ["models.example.org"])
    monkeypatch.setenv("TEXTMILL_TOKEN", GOOD)
    assert required_token("127.0.0.1", ["models.example.org"]) == GOOD


@pytest.mark.parametrize(
    ("header", "expected"),
    [(f"Bearer {GOOD}", True), (f"Bearer {GOOD[:-1]}", False), (GOOD, False), ("", False)],
)
def test_a_header_is_authorized_by_the_whole_token(header: str, expected: bool) -> None:
    assert is_authorized(header, GOOD) is expected
