"""Specifies what textmill prune says and does."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from textmill.config import Config
from textmill.registry.prune import UnusedData
from textmill_flows.answering import housekeeping

CONFIG = Config.model_validate({"corpus": {"sources": [{"name": "own", "path": "own.jsonl"}]}})


@pytest.mark.parametrize("confirmed", [True, False])
def test_no_pipeline_starts_from_the_look_to_the_last_removal(
    monkeypatch: pytest.MonkeyPatch, confirmed: bool
) -> None:
    seen: list[str] = []

    @contextmanager
    def no_pipeline_starts(store: Any) -> Iterator[None]:
        seen.append("locked")
        yield
        seen.append("free")

    def find(store: Any, n_kept: int) -> list[UnusedData]:
        seen.append("look")
        return [UnusedData("work", name, 9, folder=Path(name)) for name in ("one", "two")]

    monkeypatch.setattr(housekeeping, "no_pipeline_starts", no_pipeline_starts)
    monkeypatch.setattr(housekeeping, "Store", lambda tracking: object())
    monkeypatch.setattr(housekeeping, "find_unused", find)
    monkeypatch.setattr(housekeeping, "remove", lambda store, waste: seen.append(waste.label))
    output = io.StringIO()
    housekeeping.prune_store(CONFIG, 10, confirmed, output)
    assert seen == (["locked", "look", "one", "two", "free"] if confirmed else ["look"])
    assert ("Removed" in output.getvalue()) == confirmed
    assert ("add --yes" in output.getvalue()) != confirmed
