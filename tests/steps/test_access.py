"""Specifies who may read what is made: the store's permissions inside it, the user's outside."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from textmill.steps import access


@pytest.fixture(autouse=True)
def _umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(access, "_users", None)
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_made_has_the_permissions_and_what_the_user_asks_for_those_of_the_user(
    tmp_path: Path,
) -> None:
    access.restrict(0o750)
    access.restrict(0o700)  # of another store
    (tmp_path / "store").mkdir()
    with access.as_user():
        (tmp_path / "picture").touch()
    (tmp_path / "store" / "file").touch()
    assert mode_of(tmp_path / "store") == 0o700
    assert mode_of(tmp_path / "store" / "file") == 0o600
    assert mode_of(tmp_path / "picture") == 0o644


def test_copied_files_get_the_permissions_too_and_what_links_lead_to_keeps_its_own(
    tmp_path: Path,
) -> None:
    outside, copied = tmp_path / "outside", tmp_path / "copied"
    outside.touch()
    (copied / "deep").mkdir(parents=True)
    for name, mode in {"open": 0o644, "closed": 0o600, "program": 0o755}.items():
        (copied / "deep" / name).touch(mode)
        (copied / "deep" / name).chmod(mode)
    (copied / "link").symlink_to(outside)
    access.apply(0o770, copied)
    modes = {path.name: mode_of(path) for path in copied.rglob("*")}
    assert modes == {
        "deep": 0o770,
        "open": 0o660,
        "closed": 0o660,
        "program": 0o770,
        "link": 0o644,
    }
