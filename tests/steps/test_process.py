"""Specifies running a step in its own process: every way to fail has its message."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from textmill.config import SampleConfig
from textmill.errors import InputError, RunError
from textmill.hardware import SPIN_COUNT
from textmill.steps import process
from textmill.steps import step as steps
from textmill.steps.graph import GRAPH
from textmill.steps.process import Job, Stopped, allow_steps, run_job, stop_all, warm_up
from textmill.steps.step import Step

Probe = Callable[[str], Step]


@pytest.fixture
def job(tmp_path: Path, probe: Probe) -> Callable[[str], Job]:
    out, work = tmp_path / "out", tmp_path / "work"
    out.mkdir()
    work.mkdir()
    return lambda name: Job(probe(name), SampleConfig(seed=3), {}, out, work, threads=1)


def nothing() -> None:
    pass


def test_a_job_fills_its_folder_and_reports_as_it_goes(
    job: Callable[[str], Job], calls: Callable[[], int]
) -> None:
    watched: list[float] = []
    run_job(job("slow"), lambda: watched.append(time.monotonic()), interval_s=0.1)
    assert (job("slow").out / "seed.txt").read_text() == "3"
    assert len(watched) >= 4
    assert calls() == 1


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("bad_input", InputError, "^data.csv:3: no label$"),
        ("run_error", RunError, "^the hub is down$"),
        ("full_disk", RunError, r"The disk of .*out is full: free space"),
        ("no_memory", RunError, "Memory ran out in no_memory: reduce micro_batch_size"),
        ("bug", RunError, r"bug failed at probe_steps.py:\d+: KeyError: 'lost' .*worker.log"),
        ("killed", RunError, r"(?s)killed by signal 9 \(Killed\).*micro_batch_size.*last words"),
        ("exits", RunError, "The process of exits exited with status 7"),
    ],
)
def test_each_failure_has_its_message(
    job: Callable[[str], Job], name: str, error: type[Exception], message: str
) -> None:
    pid = os.getpid()
    with pytest.raises(error, match=message):
        run_job(job(name), nothing)
    assert os.getpid() == pid
    assert process._running == set()


@pytest.mark.timeout(60)
def test_a_message_longer_than_a_pipe_takes_is_shortened(job: Callable[[str], Job]) -> None:
    with pytest.raises(InputError, match="^at first x+ … x+ at last$") as caught:
        run_job(job("wordy"), nothing)
    assert len(str(caught.value)) < 5000


def test_what_a_step_prints_goes_to_its_log(
    job: Callable[[str], Job], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunError):
        run_job(job("bug"), nothing)
    assert "before the bug" in (job("bug").work / "worker.log").read_text()
    assert capfd.readouterr() == ("", "")


def test_a_missing_function_is_a_run_error(job: Callable[[str], Job]) -> None:
    with pytest.raises(RunError, match="AttributeError.*no_such_step"):
        run_job(job("no_such_step"), nothing)


def test_an_error_of_the_watcher_ends_the_step(job: Callable[[str], Job]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_job(job("hang"), interrupt, interval_s=0.1)
    assert time.monotonic() - started < 20
    assert process._running == set()


def test_the_code_of_all_steps_is_read_before_any_of_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[set[str]] = []
    read: set[str] = set()
    parse = steps._parse

    def noted(name: str) -> steps._Module:
        read.add(name)
        return parse(name)

    monkeypatch.setattr(steps, "_parse", noted)
    monkeypatch.setattr(forkserver, "set_forkserver_preload", lambda names: None)
    monkeypatch.setattr(forkserver, "ensure_running", lambda: seen.append(set(read)))
    steps._read_module.cache_clear()
    warm_up()
    assert seen == [{name for step in GRAPH.steps.values() for name in steps.code_of(step).modules}]


@pytest.mark.parametrize(("given", "expected"), [(None, str(SPIN_COUNT)), ("7", "7")])
def test_what_loads_torch_is_told_first_how_long_threads_may_spin(
    monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str
) -> None:
    seen: list[str | None] = []
    monkeypatch.setenv("GOMP_SPINCOUNT", given or "")
    if given is None:
        monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setattr(forkserver, "set_forkserver_preload", lambda names: None)
    monkeypatch.setattr(
        forkserver, "ensure_running", lambda: seen.append(os.environ.get("GOMP_SPINCOUNT"))
    )
    warm_up()
    assert seen == [expected]


def test_a_stop_while_the_process_starts_ends_it(
    job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = BaseProcess.start

    def start_slowly(process: BaseProcess) -> None:
        start(process)
        stop_all()

    monkeypatch.setattr(BaseProcess, "start", start_slowly)
    started_s = time.monotonic()
    with pytest.raises(Stopped, match="hang was stopped"):
        run_job(job("hang"), nothing, interval_s=0.1)
    assert time.monotonic() - started_s < 30
    assert process._running == set()


def test_stop_all_ends_what_runs_and_starts_no_more_until_steps_are_allowed(
    job: Callable[[str], Job], calls: Callable[[], int]
) -> None:
    timer = threading.Timer(0.5, stop_all)
    timer.start()
    with pytest.raises(Stopped, match="hang was stopped"):
        run_job(job("hang"), nothing, interval_s=0.1)
    timer.join()
    with pytest.raises(Stopped, match="hang was not started"):
        run_job(job("hang"), nothing)
    allow_steps()
    run_job(job("slow"), nothing)
    assert calls() == 1
