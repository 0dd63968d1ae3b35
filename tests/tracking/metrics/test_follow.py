"""Specifies the follower: whole lines only, every point once, whatever the server does."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import tenacity
from mlflow.entities import Metric

from textmill.tracking.metrics import follow
from textmill.tracking.metrics.follow import Follower, Progress
from textmill.tracking.store import Store, StoreError


class Server:
    """Takes points, but for the first calls that it is told to refuse."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.taken: list[tuple[str, int, float]] = []

    def log_points(self, run_id: str, points: list[Metric], retry: bool = True) -> None:
        assert run_id == "run"
        self.was_waited_for = retry
        if self.refusals:
            self.refusals -= 1
            raise StoreError("the server is away")
        self.taken += [(p.key, p.step, p.value) for p in points]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "LOG_INTERVAL_S", 0.0)
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda seconds: None))


def follower(server: Server, work: Path, seen: list[Progress] | None = None) -> Follower:
    on_progress = (seen if seen is not None else []).append
    return Follower(cast(Store, server), "run", work / "metrics.jsonl", on_progress)


def line(step: int, **metrics: float) -> str:
    return json.dumps({"step": step, "time_ms": 100 + step, "metrics": metrics}) + "\n"


def append(work: Path, text: str) -> None:
    with (work / "metrics.jsonl").open("a") as stream:
        stream.write(text)


def test_a_missing_file_has_no_points(tmp_path: Path) -> None:
    server = Server()
    following = follower(server, tmp_path)
    following.poll()
    following.finish()
    assert server.taken == []


def test_points_keep_name_step_time_and_value(tmp_path: Path) -> None:
    append(tmp_path, line(3, loss=0.5, rate=0.25))
    following = follower(Server(), tmp_path)
    following.poll()
    points = [(p.key, p.step, p.timestamp, p.value) for p in following.points]
    assert points == [("loss", 3, 103, 0.5), ("rate", 3, 103, 0.25)]


@pytest.mark.parametrize("cut", [1, 10, -1])
def test_an_incomplete_last_line_is_read_once_complete(tmp_path: Path, cut: int) -> None:
    server = Server()
    following = follower(server, tmp_path)
    second = line(2, loss=1.5)
    append(tmp_path, line(1, loss=2.5) + second[:cut])
    following.poll()
    assert server.taken == [("loss", 1, 2.5)]
    append(tmp_path, second[cut:])
    following.poll()
    assert server.taken == [("loss", 1, 2.5), ("loss", 2, 1.5)]


def test_a_server_that_fails_delays_points_and_gets_each_once(tmp_path: Path) -> None:
    server = Server(refusals=2)
    following = follower(server, tmp_path)
    for step in (1, 2, 3):
        append(tmp_path, line(step, loss=1 / step))
        following.poll()
    following.finish()
    assert server.taken == [("loss", step, 1 / step) for step in (1, 2, 3)]


def test_finish_tries_several_times(tmp_path: Path) -> None:
    server = Server(refusals=follow.MAX_FINAL_ATTEMPTS - 1)
    append(tmp_path, line(1, loss=1.0))
    follower(server, tmp_path).finish()
    assert server.taken == [("loss", 1, 1.0)]


def test_finish_gives_up_after_some_tries_with_the_reason(tmp_path: Path) -> None:
    server = Server(refusals=99)
    append(tmp_path, line(1, loss=1.0))
    with pytest.raises(StoreError, match="the server is away"):
        follower(server, tmp_path).finish()
    assert server.refusals == 99 - follow.MAX_FINAL_ATTEMPTS


def test_a_running_step_does_not_wait_for_the_server_and_a_finished_one_does(
    tmp_path: Path,
) -> None:
    server = Server()
    following = follower(server, tmp_path)
    append(tmp_path, line(1, loss=1.0))
    following.poll()
    assert not server.was_waited_for
    append(tmp_path, line(2, loss=0.5))
    following.finish()
    assert server.was_waited_for


def test_points_from_elsewhere_are_shipped_and_are_no_points_of_the_training(
    tmp_path: Path,
) -> None:
    server = Server(refusals=1)
    following = follower(server, tmp_path)
    append(tmp_path, line(1, loss=1.0))
    following.add([Metric("system/memory", 5.0, 100, 0)])
    following.poll()
    following.finish()
    assert sorted(server.taken) == [("loss", 1, 1.0), ("system/memory", 0, 5.0)]
    assert [point.key for point in following.points] == ["loss"]


def test_an_outage_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    following = follower(Server(refusals=3), tmp_path)
    for step in (1, 2, 3, 4):
        append(tmp_path, line(step, loss=1.0))
        following.poll()
    assert [record.message for record in caplog.records] == [
        "Metrics could not be logged yet. the server is away"
    ]


def test_progress_holds_the_newest_value_of_every_metric_and_those_of_its_step(
    tmp_path: Path,
) -> None:
    seen: list[Progress] = []
    following = follower(Server(), tmp_path, seen)
    append(tmp_path, json.dumps({"total_steps": 9}) + "\n")
    append(tmp_path, line(1, loss=3.0) + line(2, accuracy=0.5) + line(3, loss=2.0))
    following.poll()
    assert seen == [
        Progress(1, 9, {"loss": 3.0}, {"loss": 3.0}),
        Progress(2, 9, {"loss": 3.0, "accuracy": 0.5}, {"accuracy": 0.5}),
        Progress(3, 9, {"loss": 2.0, "accuracy": 0.5}, {"loss": 2.0}),
    ]


def test_points_are_sent_in_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now: list[float] = [100.0]
    clock: Any = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(follow, "time", clock)
    monkeypatch.setattr(follow, "LOG_INTERVAL_S", 2.0)
    server = Server()
    following = follower(server, tmp_path)
    counts = []
    for step in range(1, 6):
        append(tmp_path, line(step, loss=1.0))
        following.poll()
        counts.append(len(server.taken))
        now[0] += 0.75
    assert counts == [1, 1, 1, 4, 4]
