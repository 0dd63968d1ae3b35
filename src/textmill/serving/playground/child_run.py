"""A run of the pipeline that the server starts, as a process of its own.

It is recorded in the store, so that it is found again by a page that is loaded anew, and by a
server that replaces one that was killed. A server that stops, stops its run as well: the same
command resumes it.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import BaseModel

from textmill.errors import RunError
from textmill.files import read_json, write_json
from textmill.secrets import redact
from textmill.serving.refusals import Refusal
from textmill.tracking.store import Store

RECORD, OUTPUT, LOCK = "run.json", "run.log", "playground-run.lock"
TAIL_BYTES = 1 << 16
MAX_LINES = 200
STOP_TIMEOUT_S = 60
"""Seconds that a run gets to close its steps; then it is killed."""
STOPPED = (130, 143, -2, -15)
"""Exit statuses of a run that was stopped by SIGINT or SIGTERM."""

State = Literal["none", "running", "finished", "failed", "stopped", "lost"]


@dataclass(frozen=True)
class RunCommand:
    """The command that a server may start."""

    words: Sequence[str]
    shown: str
    """The command line for users, without credentials."""


class RunInfo(BaseModel):
    """The newest run that was started from the page."""

    state: State
    """`lost`: it ended without a server that waited for it."""
    command: str
    started: datetime | None = None
    ended: datetime | None = None
    exit_status: int | None = None
    lines: list[str] = []
    """The end of its output."""


class ChildRun:
    """Starts and stops runs of one command, one at a time.

    Args:
        store: where the run is recorded.
        folder: for the record and the output of the run.
        command: the command; None: runs cannot be started here.
    """

    def __init__(self, store: Store, folder: Path, command: RunCommand | None) -> None:
        self.store, self.folder, self.command = store, folder, command
        self._waiting: threading.Thread | None = None

    def start(self) -> RunInfo:
        """Start a run.

        Raises:
            Refusal: one is running, or runs cannot be started here.
        """
        if self.command is None:
            raise Refusal(409, "This server starts no runs: serve.runs is false.")
        if self.store.read_only is not None:
            raise Refusal(409, f"The store is read-only ({self.store.read_only}).")
        with self.store.lock(LOCK):
            if self._process() is not None:
                raise Refusal(409, "A run is already running: wait for it, or stop it.")
            self._launch(self.command)
        return self.info()

    def _launch(self, command: RunCommand) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / OUTPUT).open("wb") as output:
            process = subprocess.Popen(
                command.words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C in the server's terminal reaches the server alone
            )
        record: dict[str, Any] = {
            "command": command.shown,
            "pid": process.pid,
            "created": psutil.Process(process.pid).create_time(),
            "started": _now(),
        }
        try:
            write_json(self.folder / RECORD, record)
        except OSError:  # nobody could stop it
            process.kill()
            process.wait()
            raise
        self._waiting = threading.Thread(target=self._wait, args=(process, record), daemon=True)
        self._waiting.start()

    def _wait(self, process: subprocess.Popen[bytes], record: dict[str, Any]) -> None:
        """Record the end of a run, unless the next one has been recorded already."""
        status = process.wait()
        with self.store.lock(LOCK):
            if self._record() == record:
                write_json(self.folder / RECORD, record | {"ended": _now(), "exit_status": status})

    def info(self) -> RunInfo:
        """Return the newest run, also of an earlier server on this store."""
        is_ours = self._waiting is not None and self._waiting.is_alive()
        is_running = is_ours or self._process() is not None
        record = self._record()
        if not record:
            return RunInfo(state="none", command=self.command.shown if self.command else "")
        status = record.get("exit_status")
        state: State = "running" if is_running and "ended" not in record else _state(status)
        return RunInfo(
            state=state,
            command=record["command"],
            started=record["started"],
            ended=record.get("ended"),
            exit_status=status,
            lines=self._lines(),
        )

    def stop(self) -> RunInfo:
        """Ask the run to end; finished steps are kept, and an unfinished training's checkpoint.

        Raises:
            Refusal: none is running.
        """
        process = self._process()
        if process is None:
            raise Refusal(409, "No run is running.")
        with suppress(psutil.NoSuchProcess):
            process.terminate()
        return self.info()

    def close(self) -> None:
        """Stop the run of this server, if there is one, and wait for its end."""
        if self._waiting is None or not self._waiting.is_alive():
            return  # what runs is not its own
        process = self._process()
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        self._waiting.join(STOP_TIMEOUT_S)
        if self._waiting.is_alive() and process is not None:
            with suppress(psutil.NoSuchProcess):
                process.kill()
            self._waiting.join()

    def _process(self) -> psutil.Process | None:
        """Return the process of the run that is recorded, or None if it has ended."""
        record = self._record()
        if not record or "ended" in record:
            return None
        try:
            process = psutil.Process(record["pid"])
            # Another process may have got its number since.
            is_same = process.create_time() == record["created"]
            is_alive = is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if is_alive else None

    def _record(self) -> dict[str, Any]:
        """Return the record of the newest run; empty if there is none, or it is damaged."""
        try:
            return dict(read_json(self.folder / RECORD))
        except (OSError, RunError):
            return {}

    def _lines(self) -> list[str]:
        """Return the last lines of the output; of a line that was overwritten, the last text."""
        try:
            with (self.folder / OUTPUT).open("rb") as output:
                size = output.seek(0, os.SEEK_END)
                output.seek(max(0, size - TAIL_BYTES))
                text = output.read().decode(errors="replace")
        except OSError:
            return []
        lines = redact(text).split("\n")
        return [line.rstrip("\r").rpartition("\r")[2] for line in lines if line][-MAX_LINES:]


def _state(status: int | None) -> State:
    if status is None:
        return "lost"
    if status == 0:
        return "finished"
    return "stopped" if status in STOPPED else "failed"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
