"""Specifies the locks of retraining, and the messages if they cannot be acquired."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError

    from textmill.config import Config
    from textmill.errors import RunError
    from textmill_flows.scheduling import limits


@pytest.fixture
def config() -> Config:
    return Config.model_validate(
        {
            "corpus": {"sources": [{"name": "own", "path": "own.jsonl"}]},
            "retrain": {"concurrency_limit": "gpu"},
        }
    )


def failing(error: Exception, cause: Exception | None) -> Callable[..., Any]:
    @contextmanager
    def concurrency(*arguments: Any, **named: Any) -> Iterator[None]:
        raise error from cause
        yield

    return concurrency


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (None, "has no concurrency limit 'gpu': create it with prefect gcl create gpu"),
        (ConnectionError("refused"), r"failed to provide a slot .*'gpu' \(refused\)"),
    ],
    ids=["no such limit", "an outage"],
)
def test_an_outage_is_not_reported_as_a_missing_limit(
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cause: Exception | None,
    words: str,
) -> None:
    error = ConcurrencySlotAcquisitionError("no slot")
    monkeypatch.setattr(limits, "concurrency", failing(error, cause))
    store: Any = SimpleNamespace(lock=lambda name: FileLock(tmp_path / name))
    with pytest.raises(RunError, match=words), limits.exclusive_retraining(store, config):
        pass


def test_slots_in_use_are_reported_without_an_error(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "concurrency", failing(TimeoutError(), None))
    store: Any = SimpleNamespace(lock=lambda name: FileLock(tmp_path / name))
    with limits.exclusive_retraining(store, config) as obstacle:
        assert obstacle == "all slots of the concurrency limit 'gpu' are in use"
