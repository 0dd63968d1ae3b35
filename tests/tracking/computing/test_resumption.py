"""Specifies trainings that were cut off: they go on in the same run, and lose nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.tracked import Calls, Probe, key_runs, newest_parent, run_once
from textmill.config import Config, SampleConfig
from textmill.errors import RunError
from textmill.tracking.computing import attempt
from textmill.tracking.liveness import close_dead_runs
from textmill.tracking.store import Store

# MLflow registers its source of local files twice, and warns of the choice that gives it.

# MLflow registers its source of local files twice, and warns of the choice that gives it.
pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")


@pytest.fixture
def died(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> tuple[SampleConfig, str]:
    """A training step killed after three of its six points; the seed and its run's id."""
    with pytest.raises(RunError, match="signal 9"):
        run_once(config, probe("train"), seed)
    (run,) = key_runs(store, "train", seed.seed)
    return seed, run.info.run_id


def test_a_killed_training_step_goes_on_in_the_same_run(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str], calls: Calls
) -> None:
    result = run_once(config, probe("train"), died[0])
    assert result.run_id == died[1]
    assert not result.is_reused
    run = store.client.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == newest_parent(store).info.run_id
    assert len(key_runs(store, "train", died[0].seed)) == 1
    assert calls() == 2


def test_a_resumed_step_ships_every_point_once(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str]
) -> None:
    run_once(config, probe("train"), died[0])
    history = store.client.get_metric_history(died[1], "train/loss")
    assert [(p.step, p.timestamp, p.value) for p in history] == [
        (step, 1000 + step, 1 / step) for step in range(1, 7)
    ]


def test_a_step_that_succeeds_in_the_end_is_not_tagged_as_failed(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str]
) -> None:
    run_once(config, probe("train"), died[0])
    assert "textmill.failure" not in store.client.get_run(died[1]).data.tags


def test_progress_tells_step_total_and_newest_values(
    config: Config, probe: Probe, died: tuple[SampleConfig, str]
) -> None:
    seen: list[Any] = []
    run_once(config, probe("train"), died[0], on_progress=seen.append)
    assert [p.step for p in seen] == [1, 2, 3, 4, 5, 6]
    assert {p.total_steps for p in seen} == {6}
    assert seen[-1].metrics == {"train/loss": 1 / 6}


def test_a_step_whose_flow_was_killed_goes_on_in_the_same_run(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str]
) -> None:
    store.client.update_run(died[1], "RUNNING")  # as a killed flow leaves it
    close_dead_runs(store)
    assert store.client.get_run(died[1]).info.status == "KILLED"
    assert run_once(config, probe("train"), died[0]).run_id == died[1]
    assert store.client.get_run(died[1]).info.status == "FINISHED"


def test_a_step_whose_run_was_deleted_gets_a_new_one(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str], calls: Calls
) -> None:
    store.client.delete_run(died[1])
    result = run_once(config, probe("train"), died[0])
    assert result.run_id != died[1]
    assert store.client.get_run(result.run_id).info.status == "FINISHED"


@pytest.mark.parametrize("damage", ["empty", "no JSON", "other type", "another run's", "no UTF-8"])
def test_a_damaged_note_of_the_run_begins_a_new_one_and_goes_on_from_the_checkpoint(
    config: Config,
    store: Store,
    probe: Probe,
    died: tuple[SampleConfig, str],
    calls: Calls,
    damage: str,
) -> None:
    key = store.client.get_run(died[1]).data.tags["textmill.key"]
    other = run_once(config, probe("write"), SampleConfig(seed=10**6)).run_id
    contents = {
        "empty": b"",
        "no JSON": b'{"run_id": "',
        "other type": b'{"run_id": [7]}',
        "another run's": f'{{"run_id": "{other}"}}'.encode(),
        "no UTF-8": b'{"run_id": "\xff"}',
    }
    (store.wip / key / "run.json").write_bytes(contents[damage])
    result = run_once(config, probe("train"), died[0])
    assert result.run_id not in (died[1], other)
    assert not (store.wip / key).exists()
    assert store.client.get_run(other).data.tags["textmill.step"] == "write"
    steps = store.client.get_metric_history(result.run_id, "train/loss")
    assert sorted(point.step for point in steps) == [1, 2, 3, 4, 5, 6]


def test_damaged_metrics_are_cut_off_and_the_training_goes_on(
    config: Config,
    store: Store,
    probe: Probe,
    died: tuple[SampleConfig, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = store.client.get_run(died[1]).data.tags["textmill.key"]
    file = store.wip / key / "work" / "metrics.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:2], b"{garbage\n", *lines[3:]]))
    result = run_once(config, probe("train"), died[0])
    assert result.run_id == died[1]
    assert f"{file}:3 is damaged" in caplog.text


def test_the_seconds_of_a_training_are_those_of_all_attempts(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str]
) -> None:
    key = store.client.get_run(died[1]).data.tags["textmill.key"]
    kept = store.wip / key / "work" / "seconds"
    assert float(kept.read_text()) > 0
    kept.write_text("1000")
    run_once(config, probe("train"), died[0])
    assert 1000 < store.client.get_run(died[1]).data.metrics["seconds"] < 2000


def test_the_seconds_are_without_the_wait_for_a_place(
    config: Config,
    store: Store,
    probe: Probe,
    died: tuple[SampleConfig, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def a_place_after_a_while(*_: object) -> Iterator[None]:
        time.sleep(2)
        yield

    monkeypatch.setattr(attempt, "held_slot", a_place_after_a_while)
    key = store.client.get_run(died[1]).data.tags["textmill.key"]
    (store.wip / key / "work" / "seconds").write_text("0")
    started_s = time.monotonic()
    run_once(config, probe("train"), died[0])
    seconds = store.client.get_run(died[1]).data.metrics["seconds"]
    assert seconds < time.monotonic() - started_s - 2
