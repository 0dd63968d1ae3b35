"""Specifies how the processor time of stages is kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from textmill import stage_times as module
from textmill.stage_times import STAGE_TIMES_VARIABLE, StageTimer, read_stage_times


def work(seconds: float) -> None:
    """Use the processor for some time."""
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_totals", {})
    monkeypatch.setenv(STAGE_TIMES_VARIABLE, str(tmp_path / "stage_times"))
    return tmp_path / "stage_times"


def test_each_stage_has_its_own_time_and_all_have_the_bytes(folder: Path) -> None:
    timer = StageTimer()
    for _ in range(2):
        timer.start()
        work(0.01)
        timer.end("first")
        work(0.03)
        timer.end("second")
        time.sleep(0.1)  # waiting is no processor time
        timer.end("first")
        timer.stop(500)
    found = read_stage_times(folder)
    assert found["first"]["seconds"] == pytest.approx(0.02, abs=0.015)
    assert found["second"]["seconds"] == pytest.approx(0.06, abs=0.015)
    assert {name: took["bytes"] for name, took in found.items()} == {"first": 1000, "second": 1000}


def test_only_producing_items_is_timed(folder: Path) -> None:
    def slow() -> Iterator[int]:
        for number in range(3):
            work(0.01)
            yield number

    timer = StageTimer()
    for number in timer.timed("reading", slow()):
        work(0.05)
        timer.end("other")  # nothing was started
        assert number < 3
    timer.stop(9)
    found = read_stage_times(folder)
    assert found.keys() == {"reading"}
    assert found["reading"]["seconds"] == pytest.approx(0.03, abs=0.02)


def test_a_stage_that_runs_ahead_has_all_bytes(folder: Path) -> None:
    timer = StageTimer()
    items = timer.timed("reading", range(2))
    assert [next(items), next(items)] == [0, 1]
    for n_bytes in (30, 4):
        timer.start()
        timer.end("writing")
        timer.stop(n_bytes, ahead="reading")
    found = read_stage_times(folder)
    assert (found["reading"]["bytes"], found["writing"]["bytes"]) == (34, 34)


def test_the_processes_of_a_step_are_summed(folder: Path) -> None:
    timer = StageTimer()
    timer.start()
    timer.end("one")
    timer.stop(7)
    other = {"one": {"seconds": 2.0, "bytes": 3}, "two": {"seconds": 1.0, "bytes": 4}}
    (folder / "1.json").write_text(json.dumps(other))
    assert len(list(folder.glob(f"*-{os.getpid()}.json"))) == 1
    found = read_stage_times(folder)
    assert found["one"] == {"seconds": pytest.approx(2.0, abs=0.01), "bytes": 10}
    assert found["two"] == {"seconds": 1.0, "bytes": 4}


def test_outside_a_step_no_times_are_stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STAGE_TIMES_VARIABLE)
    timer = StageTimer()
    timer.start()
    timer.end("one")
    timer.stop(7)
    assert read_stage_times(folder) == {}
