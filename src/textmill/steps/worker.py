"""Running one step in a process of its own, so that no crash takes the flow down.

Steps that need torch are forked from a process that has loaded it once (multiprocessing's fork
server, started in the background), so that a step costs milliseconds and not the seconds that
importing torch and Lightning takes.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from textmill.config.extensions import Known, known
from textmill.errors import InputError, RunError
from textmill.files import CachePlace, full_disk_message, is_disk_full
from textmill.hardware import CLUSTER_VARIABLE, THREADS_VARIABLE, limit_spinning, set_up_torch
from textmill.secrets import redact
from textmill.stage_times import STAGE_TIMES_VARIABLE
from textmill.steps.access import restrict
from textmill.steps.graph import GRAPH
from textmill.steps.step import Step, read_code

STOP_GRACE_S = 20.0
"""For a training to finish its step and save it."""
MAX_MESSAGE = 4000
"""Characters of a failure's message: a pipe takes 64 KiB before anybody reads it."""

_running: set[BaseProcess] = set()
_stopping = threading.Event()
_starting = threading.Lock()


class Stopped(RunError):
    """The step was ended on request; what it had saved stays for the next run."""


@dataclass(frozen=True)
class Job:
    """One step to compute: plain data that another process can be given."""

    step: Step
    config: BaseModel
    inputs: Mapping[str, Path]
    out: Path
    """An existing, empty folder."""
    work: Path
    """A folder that outlives the process: log, metrics, checkpoints."""
    threads: int
    """Processor threads that the step may use; no part of its key."""
    cluster: str | None = None
    """Address of the Ray cluster that a step with workers has them on; None: on this machine."""
    cache: CachePlace | None = None
    """Where a step that has a cache keeps what it has prepared; None keeps nothing."""
    permissions: int | None = None
    """Of the folders that it makes, at most, on whatever machine; None: as its process has them."""

    def __reduce__(self) -> tuple[Callable[..., Job], tuple[Any, ...]]:
        """Return what makes it anew: first what is known of extensions, which may define the rest.

        Pickle makes the parts in order, and the first makes extensions known where it is made.
        """
        return _job, (known(), *(getattr(self, field.name) for field in fields(self)))

    @property
    def stage_times(self) -> Path:
        """The folder where its processes keep the times of its stages."""
        return self.work / "stage_times"


def _job(extensions: Known, *values: Any) -> Job:
    return Job(*values)


@dataclass(frozen=True)
class _Failure:
    is_input: bool
    message: str


def run_job(job: Job, watch: Callable[[], None], interval_s: float = 0.25) -> None:
    """Compute a step in another process and return when it is done.

    Args:
        job: what to compute.
        watch: called every interval while the step runs, and once at the end.
        interval_s: seconds between calls of watch.

    Raises:
        InputError: the step could not use its input or configuration.
        RunError: the step failed, or its process died.
        Stopped: `stop_all` was called.
    """
    if _stopping.is_set():
        raise Stopped(f"{job.step.name} was not started: the run is being stopped.")
    context: ForkServerContext | SpawnContext = multiprocessing.get_context("spawn")
    if job.step.needs_torch:
        context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    # A daemon may have no processes of its own.
    process = context.Process(target=_work, args=(job, sender), daemon=not job.step.has_workers)
    with _without_main():
        process.start()
    sender.close()
    _running.add(process)
    if _stopping.is_set():
        process.kill()  # it was asked for while the process started, and not seen by `stop_all`
    try:
        while not wait([process.sentinel], timeout=interval_s):
            watch()
        process.join()
        watch()
    finally:
        _running.discard(process)
        if process.is_alive():
            process.terminate()  # a training saves
            process.join(STOP_GRACE_S)
            process.kill()
            process.join()
    if process.exitcode != 0:
        _raise(job, process.exitcode, receiver)


def warm_up() -> None:
    """Start loading torch in the fork server, in the background.

    The code is read before: what is loaded there must not be older than what keys are made from.
    """
    read_code(GRAPH.steps.values())
    limit_spinning()
    multiprocessing.get_context("forkserver").set_forkserver_preload(GRAPH.preloaded)
    forkserver.ensure_running()


@contextmanager
def _without_main() -> Iterator[None]:
    """Let processes that start now not load the program that this one was started with.

    Python would load it in each, so a script that runs a pipeline would run it again in every step.
    What a step needs is named by its module.
    """
    with _starting:
        program = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = program


def is_stopping() -> bool:
    """Return whether `stop_all` was called: nothing waits any longer then."""
    return _stopping.is_set()


def allow_steps() -> None:
    """Let steps start after `stop_all`, in a process that outlives the run that was stopped."""
    _stopping.clear()


def stop_all() -> None:
    """End all steps that run, and start no more until `allow_steps`; they can go on then."""
    _stopping.set()
    processes = list(_running)
    for process in processes:
        process.terminate()
    timer = threading.Timer(STOP_GRACE_S, _kill, [processes])
    timer.daemon = True
    timer.start()


def _kill(processes: list[BaseProcess]) -> None:
    for process in processes:
        process.kill()


def _raise(job: Job, exitcode: int | None, receiver: Connection) -> None:
    if _stopping.is_set():
        raise Stopped(f"{job.step.name} was stopped; running it again goes on from what is saved.")
    failure: _Failure | None = None
    try:
        if receiver.poll():
            failure = receiver.recv()
    except EOFError:
        pass
    if failure is not None:
        raise (InputError if failure.is_input else RunError)(failure.message)
    cause = f"exited with status {exitcode}"
    if exitcode is not None and exitcode < 0:
        cause = f"was ended by signal {-exitcode} ({signal.strsignal(-exitcode)})"
    if exitcode == -signal.SIGKILL:
        cause += "; the usual reason is that memory ran out: lower micro_batch_size or the model"
    raise RunError(f"The process of {job.step.name} {cause}. Last lines:\n{_tail(job.work)}")


def _tail(work: Path, lines: int = 5) -> str:
    log = work / "worker.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


def _work(job: Job, sender: Connection) -> None:
    """Compute the step: what the other process does."""
    # The terminal sends Ctrl-C to the whole group: the flow decides what becomes of its steps.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        if job.permissions is not None:
            restrict(job.permissions)
        _redirect_output(job.work / "worker.log")
        _limit_threads(job)
        os.environ[STAGE_TIMES_VARIABLE] = str(job.stage_times)
        module, _, name = job.step.function.partition(":")
        function: Callable[..., None] = getattr(importlib.import_module(module), name)
        extra: tuple[Any, ...] = (job.work,) if job.step.is_training else ()
        extra = (job.cache,) if job.step.has_cache else extra
        function(job.config, job.inputs, job.out, *extra)
    except BaseException as error:
        sender.send(_describe(job, error))
        with suppress(OSError):  # a full disk takes no trace either
            sys.stderr.write(redact(traceback.format_exc()))
        sys.exit(1)
    finally:
        _close_output()


def _describe(job: Job, error: BaseException) -> _Failure:
    message = _message(job, error)
    if len(message) > MAX_MESSAGE:
        half = MAX_MESSAGE // 2
        message = f"{message[:half]} … {message[-half:]}"
    return _Failure(isinstance(error, InputError), message)


def _message(job: Job, error: BaseException) -> str:
    if isinstance(error, InputError | RunError):
        return str(error)
    if is_disk_full(error):
        return full_disk_message(job.out)
    if isinstance(error, MemoryError):
        return f"Memory ran out in {job.step.name}: lower micro_batch_size."
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{job.step.name} failed at {Path(place.filename).name}:{place.lineno}: "
        f"{type(error).__name__}: {error} (the whole trace is in its run's log/worker.log)."
    )


def _end_with_parent() -> None:
    """Exit as soon as the flow's process is gone, so that a killed flow leaves nothing running."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _redirect_output(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _close_output() -> None:
    """Close the log; that a full disk does not take its last lines is no failure of the step."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.close()


def _limit_threads(job: Job) -> None:
    os.environ[THREADS_VARIABLE] = str(job.threads)
    if job.cluster is not None:
        os.environ[CLUSTER_VARIABLE] = job.cluster
    os.environ["RAYON_NUM_THREADS"] = str(job.threads)  # the tokenizers library
    if job.step.needs_torch:
        set_up_torch(job.threads)
