"""Specifies the run that a server starts: one at a time, recorded, and stopped with the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from textmill.files import read_json, write_json
from textmill.serving.playground import child_run
from textmill.serving.playground.child_run import RECORD, ChildRun, RunCommand
from textmill.serving.refusals import Refusal
from textmill.tracking.store import Store

TIMEOUT_S = 30
WAIT = "import time; print('begun', flush=True); time.sleep(60)"


def command(code: str) -> RunCommand:
    return RunCommand((sys.executable, "-c", code), "textmill run --config demo")


@pytest.fixture
def make(store: Store, tmp_path: Path) -> Iterator[Callable[[str | None], ChildRun]]:
    """Returns a function that makes the run of a server, of which a program takes the place."""
    made: list[ChildRun] = []

    def make(code: str | None) -> ChildRun:
        made.append(ChildRun(store, tmp_path / "serving", command(code) if code else None))
        return made[-1]

    yield make
    for run in made:
        run.close()


def wait_for(run: ChildRun, holds: Callable[[Any], bool]) -> Any:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not holds(info := run.info()):
        assert time.monotonic() < deadline_s, info
        time.sleep(0.02)
    return info


def has_begun(info: Any) -> bool:
    return info.lines == ["begun"]


def has_ended(info: Any) -> bool:
    return info.state != "running"


@pytest.mark.parametrize(
    ("code", "state", "status"),
    [
        ("print('done')", "finished", 0),
        ("raise SystemExit(1)", "failed", 1),
        ("raise SystemExit(2)", "failed", 2),
        ("raise SystemExit(130)", "stopped", 130),
        ("raise SystemExit(143)", "stopped", 143),
        ("import os; os.kill(os.getpid(), 9)", "failed", -9),
    ],
)
def test_the_state_of_a_run_follows_from_its_exit_status(
    make: Callable[[str], ChildRun], code: str, state: str, status: int
) -> None:
    run = make(code)
    assert run.info().state == "none"
    assert run.start().command == "textmill run --config demo"
    ended = wait_for(run, has_ended)
    assert (ended.state, ended.exit_status) == (state, status)
    assert ended.started is not None
    assert ended.ended is not None
    assert ended.ended >= ended.started


def test_the_output_is_shown_as_a_terminal_would_without_credentials(
    make: Callable[[str], ChildRun],
) -> None:
    run = make(
        "import sys\n"
        "for n in range(300): print('line', n)\n"
        "sys.stdout.write('10 %\\r20 %\\r30 %\\n')\n"
        "sys.stderr.write('https://anna:hidden@host/x\\n')"
    )
    run.start()
    lines = wait_for(run, has_ended).lines
    assert len(lines) == 200
    assert {"line 299", "30 %"} <= {*lines}
    assert "line 99" not in lines
    assert "hidden" not in "".join(lines)
    assert any(line.endswith("@host/x") for line in lines)


def test_only_one_runs_at_a_time_also_of_two_servers(make: Callable[[str], ChildRun]) -> None:
    run, other = make(WAIT), make(WAIT)
    run.start()
    for server in (run, other):
        with pytest.raises(Refusal, match="already running") as refused:
            server.start()
        assert refused.value.status == 409
    run.stop()
    wait_for(run, has_ended)
    assert other.start().state == "running"


def test_a_run_that_starts_while_the_end_of_the_last_is_recorded_keeps_its_record(
    make: Callable[[str], ChildRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_slowly(file: Path, value: Any) -> None:
        if "ended" in value:
            time.sleep(0.5)
        write_json(file, value)

    monkeypatch.setattr(child_run, "write_json", write_slowly)
    is_second = tmp_path / "second"
    run = make(f"import os, time; time.sleep(60 * os.path.exists({str(is_second)!r}))")
    run.start()
    pid = read_json(tmp_path / "serving" / RECORD)["pid"]
    while psutil.pid_exists(pid):
        time.sleep(0.01)
    is_second.touch()
    run.start()
    time.sleep(0.7)
    assert run.info().state == "running"
    assert run.stop().exit_status is None


def test_a_server_that_stops_leaves_the_run_of_another_alone(
    make: Callable[[str], ChildRun],
) -> None:
    run, other = make("print('done')"), make(WAIT)
    run.start()
    wait_for(run, has_ended)
    other.start()
    wait_for(other, has_begun)
    run.close()
    time.sleep(0.5)
    assert other.info().state == "running"


def test_a_stopped_run_gets_a_signal_that_it_can_handle(make: Callable[[str], ChildRun]) -> None:
    run = make(
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n" + WAIT
    )
    run.start()
    wait_for(run, has_begun)
    run.stop()
    ended = wait_for(run, has_ended)
    assert (ended.state, ended.exit_status) == ("stopped", 143)
    with pytest.raises(Refusal, match="No run is running"):
        run.stop()


def test_a_server_that_stops_stops_its_run(make: Callable[[str], ChildRun], tmp_path: Path) -> None:
    run = make(WAIT)
    run.start()
    wait_for(run, has_begun)
    pid = read_json(tmp_path / "serving" / RECORD)["pid"]
    run.close()
    assert not psutil.pid_exists(pid)
    assert make(WAIT).info().state == "stopped"


def test_the_run_is_in_a_session_of_its_own(
    make: Callable[[str], ChildRun], tmp_path: Path
) -> None:
    run = make(WAIT)
    run.start()
    pid = read_json(tmp_path / "serving" / RECORD)["pid"]
    assert os.getsid(pid) == pid != os.getsid(0)


@pytest.fixture
def abandoned(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose server was killed."""
    process = subprocess.Popen(command(WAIT).words, stdout=subprocess.DEVNULL)
    record = {
        "command": "textmill run",
        "pid": process.pid,
        "created": psutil.Process(process.pid).create_time(),
        "started": "2026-01-02T03:04:05+00:00",
    }
    (tmp_path / "serving").mkdir()
    write_json(tmp_path / "serving" / RECORD, record)
    yield process
    process.kill()
    process.wait()


def test_the_run_of_a_killed_server_is_found_and_can_be_stopped(
    make: Callable[[str], ChildRun], abandoned: subprocess.Popen[bytes]
) -> None:
    run = make(WAIT)
    assert run.info().state == "running"
    with pytest.raises(Refusal, match="already running"):
        run.start()
    run.close()  # not its own
    assert abandoned.poll() is None
    run.stop()
    assert abandoned.wait(TIMEOUT_S) == -signal.SIGTERM
    assert run.info().state == "lost"
    assert run.start().state == "running"


def test_another_process_with_the_number_of_a_lost_run_is_left_alone(
    make: Callable[[str], ChildRun], abandoned: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    file = tmp_path / "serving" / RECORD
    write_json(file, read_json(file) | {"created": 1.0})
    run = make(WAIT)
    assert run.info().state == "lost"
    with pytest.raises(Refusal):
        run.stop()
    assert abandoned.poll() is None


def test_a_damaged_record_is_no_run(make: Callable[[str], ChildRun], tmp_path: Path) -> None:
    run = make("print(1)")
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / RECORD).write_text("{")
    assert run.info().state == "none"
    run.start()
    assert wait_for(run, has_ended).state == "finished"


def test_without_a_command_or_with_a_read_only_store_nothing_is_started(
    make: Callable[[str | None], ChildRun], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refusal, match=r"serve\.runs"):
        make(None).start()
    monkeypatch.setattr(store, "read_only", "it is write-protected")
    with pytest.raises(Refusal, match="read-only"):
        make(WAIT).start()
