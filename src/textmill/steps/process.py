"""Running a step in a separate process, so that a crash does not end the flow.

Steps that need torch are forked from a process that has imported it (multiprocessing's fork server,
started in the background), which saves the seconds of importing torch and Lightning.
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
"""Time for a training to finish its optimizer step and save a checkpoint."""
MAX_MESSAGE = 4000
"""Maximum characters of a failure's message: a pipe buffers only 64 KiB."""

_running: set[BaseProcess] = set()
_stopping = threading.Event()
_starting = threading.Lock()


class Stopped(RunError):
    """The step was stopped on request; its checkpoints are kept for the next run."""


class Pruned(Exception):
    """A training was stopped because its scores promise nothing; it is not to be resumed."""


@dataclass(frozen=True)
class Job:
    """A step to compute, as picklable data."""

    step: Step
    config: BaseModel
    inputs: Mapping[str, Path]
    out: Path
    """An existing, empty folder."""
    work: Path
    """A persistent folder of logs, metrics and checkpoints."""
    threads: int
    """Number of CPU threads; not part of the key."""
    cluster: str | None = None
    """Address of the Ray cluster of a step's workers; None: this machine."""
    cache: CachePlace | None = None
    """Cache folders of a step with a cache; None: no caching."""
    permissions: int | None = None
    """Maximum permissions of its folders, on any machine; None: those of the process."""

    def __reduce__(self) -> tuple[Callable[..., Job], tuple[Any, ...]]:
        """Return what makes it anew: first what is known of extensions, which may define the rest.

        Pickle makes the parts in order, and the first makes extensions known where it is made.
        """
        return _job, (known(), *(getattr(self, field.name) for field in fields(self)))

    @property
    def stage_times(self) -> Path:
        """Folder in which its processes store the times of its stages."""
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
    # Daemonic processes cannot have children.
    process = context.Process(target=_work, args=(job, sender), daemon=not job.step.has_workers)
    with _without_main():
        process.start()
    sender.close()
    _running.add(process)
    if _stopping.is_set():
        process.kill()  # requested while the process started, so that `stop_all` missed it
    try:
        while not wait([process.sentinel], timeout=interval_s):
            watch()
        process.join()
        watch()
    finally:
        _running.discard(process)
        if process.is_alive():
            process.terminate()  # a training saves a checkpoint
            process.join(STOP_GRACE_S)
            process.kill()
            process.join()
    if process.exitcode != 0:
        _raise(job, process.exitcode, receiver)


def warm_up() -> None:
    """Start the fork server in the background, which imports torch.

    The code is read first: the server must not load older code than that in the keys.
    """
    read_code(GRAPH.steps.values())
    limit_spinning()
    multiprocessing.get_context("forkserver").set_forkserver_preload(GRAPH.preloaded)
    forkserver.ensure_running()


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep child processes from importing the main module of this process.

    Python would import it in each, so a script that runs a pipeline would run it again in every
    step. Steps are imported by module name.
    """
    with _starting:
        program = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = program


def is_stopping() -> bool:
    """Return whether `stop_all` was called."""
    return _stopping.is_set()


def allow_steps() -> None:
    """Allow steps to start again after `stop_all`, for a further run in the same process."""
    _stopping.clear()


def stop_all() -> None:
    """Stop all running steps, and start no more until `allow_steps`; they can be resumed."""
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
        raise Stopped(f"{job.step.name} was stopped; run again to resume from its last checkpoint.")
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
        cause = f"was killed by signal {-exitcode} ({signal.strsignal(-exitcode)})"
    if exitcode == -signal.SIGKILL:
        cause += ", usually because memory ran out: reduce micro_batch_size or the model"
    raise RunError(f"The process of {job.step.name} {cause}. Last lines:\n{_tail(job.work)}")


def _tail(work: Path, lines: int = 5) -> str:
    log = work / "worker.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


def _work(job: Job, sender: Connection) -> None:
    """Compute the step in the child process."""
    # The terminal sends Ctrl-C to the whole process group, but the flow stops its steps.
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
        with suppress(OSError):  # the disk may be full
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
        return f"Memory ran out in {job.step.name}: reduce micro_batch_size."
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{job.step.name} failed at {Path(place.filename).name}:{place.lineno}: "
        f"{type(error).__name__}: {error} (see the traceback in its run's log/worker.log)."
    )


def _end_with_parent() -> None:
    """Exit when the parent process has ended, so that a killed flow leaves no processes."""
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
    """Close the log, ignoring a full disk."""
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
