"""Prefect's server: where its history lies, and the temporary servers that killed flows leave."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from textmill.config import Config
from textmill.errors import RunError
from textmill.files import full_disk_message, is_disk_full, read_json, write_json

SERVER_APP = "prefect.server.api.server:create_app"
NOTE = "prefect-server.json"
LEAST_MIB = 32
"""Room for the databases of Prefect and MLflow, without which no run can begin."""
FULL_MIB = 1

log = logging.getLogger("textmill.flows")


def prefect_home(config: Config) -> Path:
    """Return the folder of Prefect's database: beside the results, so the pages agree."""
    return Path(config.tracking.home) / "prefect"


def set_up_environment(config: Config) -> None:
    """Set Prefect's settings; has to come before Prefect is imported.

    Raises:
        RunError: the folder of results cannot be written, or its disk is full.
    """
    os.environ.setdefault("PREFECT_HOME", str(prefect_home(config)))
    home = Path(os.environ["PREFECT_HOME"])
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_disk_full(error):
            raise RunError(full_disk_message(home)) from None
        raise RunError(
            f"{home} cannot be written ({error.strerror}): set tracking.home, or PREFECT_HOME "
            "where that is set."
        ) from None
    if free_mib(home) < LEAST_MIB:
        raise RunError(f"{full_disk_message(home)} At least {LEAST_MIB} MiB are needed.")
    for name, value in {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        # It prints traces into the user's terminal; what matters arrives as an answer.
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_CLI_PROMPT": "false",
        "DO_NOT_TRACK": "1",
    }.items():
        os.environ.setdefault(name, value)


def free_mib(folder: Path) -> float:
    """Return how much room is left on the disk that holds a folder."""
    return shutil.disk_usage(folder).free / 2**20


@contextmanager
def prefect_failures_in_words() -> Iterator[None]:
    """Raise failures of Prefect's server as one message; has to come after Prefect's settings.

    Raises:
        RunError: in place of the exceptions of Prefect and its HTTP client.
    """
    from httpx import HTTPError
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except (HTTPError, PrefectHTTPStatusError, RuntimeError) as error:
        # Prefect has no type of its own for a server that does not start.
        is_of_prefect = not isinstance(error, RuntimeError) or "Prefect API server" in str(error)
        if not is_of_prefect or isinstance(error, RunError):
            raise
        home = Path(os.environ["PREFECT_HOME"])
        if free_mib(home) < FULL_MIB:
            raise RunError(full_disk_message(home)) from error
        raise RunError(
            f"Prefect's server failed ({str(error).splitlines()[0]}): run again, and if that does "
            "not help, set PREFECT_SERVER_LOGGING_LEVEL=ERROR to see why, or delete its history "
            f"in {home}."
        ) from error


def note_server(config: Config) -> None:
    """Write down the temporary server of this process, so that a later start can end it."""
    for child in psutil.Process().children():
        if _is_server(child):
            write_json(
                Path(config.tracking.home) / "wip" / NOTE,
                {
                    "server": [child.pid, child.create_time()],
                    "owner": [os.getpid(), psutil.Process().create_time()],
                },
            )


def end_abandoned_server(config: Config) -> None:
    """End the temporary server whose flow was killed."""
    note = Path(config.tracking.home) / "wip" / NOTE
    if not note.exists():
        return
    processes = read_json(note)
    if _process(*processes["owner"]) is not None:
        return
    server = _process(*processes["server"])
    if server is not None and _is_server(server):
        log.info("Ending the Prefect server that a killed run left behind.")
        server.terminate()
    note.unlink(missing_ok=True)


def close_killed_runs(flow_run_ids: list[str]) -> None:
    """Mark the Prefect flow runs of killed pipelines as crashed, as their MLflow runs are."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Crashed

    with get_client(sync_client=True) as client:
        for flow_run_id in flow_run_ids:
            try:
                client.set_flow_run_state(flow_run_id, Crashed(message="killed"), force=True)
            except ObjectNotFound:
                continue  # another Prefect server knows it


def _is_server(process: psutil.Process) -> bool:
    try:
        return SERVER_APP in process.cmdline()
    except psutil.Error:
        return False


def _process(pid: int, create_time: float) -> psutil.Process | None:
    """Return the process if it is still the same one."""
    try:
        process = psutil.Process(pid)
        return process if abs(process.create_time() - create_time) < 1 else None
    except psutil.NoSuchProcess:
        return None
