"""A user's file and working folder, and the message about a configuration: for tests of compose."""

from __future__ import annotations

from pathlib import Path

import pytest

from textmill.compose import compose
from textmill.errors import InputError

__all__ = ["BASE", "OWN_TASK", "here", "message", "there", "write"]
OWN_TASK = "name: own\nkind: classification\ntrain: own/train.csv\ntest: own/test.csv\n"
BASE = "defaults: [base, _self_]\ncorpus: {sources: [{name: books, path: text/*.txt}]}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which holds nothing."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The folder of a user's file."""
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


def write(folder: Path, text: str = BASE, name: str = "my.yaml") -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def message(config: str, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        compose(config, overrides)
    return str(caught.value)
