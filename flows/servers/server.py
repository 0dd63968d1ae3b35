"""Prefect's server: where its history lies, and the one that a command starts for itself."""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from textmill.config import Config, TrackingConfig
from textmill.errors import RunError
from textmill.files import full_disk_message, is_disk_full, sqlite_url
from textmill.secrets import register_secrets, request
from textmill.steps.access import restrict
from textmill.web import launch as web
from textmill.web.addresses import LOOPBACK_NAMES, bypass_proxies, listen, local_address, own_hosts
from textmill.web.login import required_login, use_login

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.orchestration import SyncPrefectClient

MIN_MIB = 32
"""Room for the databases of Prefect and MLflow, without which no run can begin."""
FULL_MIB = 1
PING_TIMEOUT_S = 5
START_TIMEOUT_S = 180
PATIENCE = {
    "PREFECT_CLIENT_MAX_RETRIES": "6",
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500,504",
    "PREFECT_API_REQUEST_TIMEOUT": "30",
}
"""Settings with which a server of the user's may be away for two minutes (2 + 4 + … + 64 s)."""

DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"

_own: subprocess.Popen[bytes] | None = None


def prefect_home(config: Config) -> Path:
    """Return the folder of Prefect's database: beside the results, so the pages agree."""
    return Path(config.tracking.home) / "prefect"


def ready_flow(place: str, config: Config) -> Flow[..., Any]:
    """Return the flow `module:flow`, with Prefect set up and its server answering.

    Of two runs in one process, the second finds the server of the first, with its history.

    Raises:
        InputError: the login that the environment gives cannot be used.
        RunError: the folder of results or the store cannot be used, or a server does not answer.
    """
    set_up_environment(config)
    wait_for_server = start_server(config.tracking)
    if "prefect" in sys.modules:  # of a notebook, say: it has read its settings already
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()
    from textmill_flows.running.start import load

    flow = load(place, config)
    wait_for_server()
    return flow


def set_up_environment(config: Config) -> None:
    """Set Prefect's settings; has to come before Prefect is imported.

    Raises:
        InputError: the login that the environment gives cannot be used.
        RunError: the folder of results cannot be written, or its disk is full.
    """
    restrict(config.tracking.permissions)
    bypass_proxies(config.tracking.host)
    use_login()
    os.environ.setdefault("PREFECT_HOME", str(prefect_home(config)))
    home = Path(os.environ["PREFECT_HOME"])
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not os.access(home, os.W_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, "it is write-protected")
        if not {"PREFECT_API_URL", DATABASE} & os.environ.keys():
            (home / "prefect.db").touch()  # SQLite by itself would let nobody else of a group write
    except OSError as error:
        if is_disk_full(error):
            raise RunError(full_disk_message(home)) from None
        raise RunError(
            f"{home} cannot be written ({error.strerror}): set tracking.home, or PREFECT_HOME "
            "where that is set."
        ) from None
    if free_mib(home) < MIN_MIB:
        raise RunError(f"{full_disk_message(home)} At least {MIN_MIB} MiB are needed.")
    for name, value in {
        # For a flow that is called from Python: it starts a server as a command does.
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        # It prints traces into the user's terminal; what matters arrives as an answer.
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_CLI_PROMPT": "false",
        # Left to itself, it makes a database of another name where the path has a question mark.
        **({DATABASE: sqlite_url(home / "prefect.db", "aiosqlite")} if "?" in str(home) else {}),
        **(PATIENCE if "PREFECT_API_URL" in os.environ else {}),
    }.items():
        os.environ.setdefault(name, value)


def free_mib(folder: Path) -> float:
    """Return how much room is left on the disk that holds a folder."""
    return shutil.disk_usage(folder).free / 2**20


def start_server(tracking: TrackingConfig, is_full: bool = False) -> Callable[[], None]:
    """Start a Prefect server for the time of this process, unless PREFECT_API_URL names another.

    It starts beside this process, which has libraries to load; Prefect's own temporary server
    would load all of the server's code here first. Has to come before Prefect is imported, as
    what Prefect has still to send at the exit is sent before the server is ended.

    Args:
        tracking: where it listens, whom it answers, and whether it asks for the login.
        is_full: whether it has its page, and makes runs of schedules. A temporary server does
            neither, and listens on any free port of the loopback.

    Returns:
        A function that waits until the server answers, and raises a RunError if it does not.

    Raises:
        InputError: there is no login, and it needs one.
        RunError: the port is taken, or the server that PREFECT_API_URL names does not answer.
    """
    if "PREFECT_API_URL" in os.environ:
        _ping(register_secrets(os.environ["PREFECT_API_URL"]))
        return lambda: None
    server, url = launch(tracking, is_full)
    os.environ["PREFECT_API_URL"] = url
    global _own
    _own = server
    atexit.register(web.stop, server)

    def wait() -> None:
        try:
            # Its socket listens already: the answer comes when it is ready, or breaks off.
            with urllib.request.urlopen(f"{url}/health", timeout=START_TIMEOUT_S):
                pass
        except OSError as error:
            raise _failure(error) from error

    return wait


def launch(tracking: TrackingConfig, is_full: bool) -> tuple[subprocess.Popen[bytes], str]:
    """Start the process of a Prefect server; return it and the address of its interface.

    Raises: see `start_server`.
    """
    host, port = (tracking.host, tracking.prefect_port) if is_full else (LOOPBACK_NAMES[0], 0)
    login = required_login(host, tracking.auth)
    page = f"http://{local_address(host, port)}"
    instead = f"tracking.prefect_port; or, if textmill ui runs there, PREFECT_API_URL={page}/api"
    listening = listen(host, port, instead)
    port = listening.getsockname()[1]
    server = web.start(
        "textmill_flows.servers.prefect_app",
        listening,
        own_hosts(host, port, tracking.allowed_hosts),
        *([] if is_full else ["--temporary"]),
        has_login=login is not None,
        log=Path(os.environ["PREFECT_HOME"]) / "server.log",
    )
    return server, f"http://{local_address(host, port)}/api"


def is_own() -> bool:
    """Return whether Prefect's server is one that this process has started."""
    return _own is not None


def _ping(url: str) -> None:
    try:
        with urllib.request.urlopen(request(f"{url.rstrip('/')}/health"), timeout=PING_TIMEOUT_S):
            return
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise RunError(
            f"The Prefect server {url} does not answer ({reason}): start it, or set "
            "PREFECT_API_URL to one that does; without it a server is started for each run."
        ) from None


@contextmanager
def as_run_errors() -> Iterator[None]:
    """Raise failures of Prefect's server as one message; has to come after Prefect's settings.

    Raises:
        RunError: in place of the exceptions of Prefect and its HTTP client.
    """
    from httpx import HTTPError
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except (HTTPError, PrefectHTTPStatusError) as error:
        raise _failure(error) from error


def _failure(error: Exception) -> RunError:
    """Return what to tell a user whose Prefect server fails."""
    home = Path(os.environ["PREFECT_HOME"])
    if free_mib(home) < FULL_MIB:
        return RunError(full_disk_message(home))
    reason = (str(error) or type(error).__name__).splitlines()[0]
    if _own is None and "PREFECT_API_URL" in os.environ:
        return RunError(
            f"The Prefect server {os.environ['PREFECT_API_URL']} failed ({reason}). Run again when "
            "it works: finished steps are kept, and not computed again."
        )
    return RunError(
        f"Prefect's server failed ({reason}): run again, and if that does not help, read "
        f"{home / 'server.log'}."
    )


def close_killed_runs(flow_run_ids: list[str]) -> None:
    """Mark the Prefect flow runs of killed pipelines, and their task runs, as crashed.

    So are the flows that they were started by, as these were part of the same process.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        for flow_run_id in map(UUID, flow_run_ids):
            try:
                while parent := _close_killed_run(client, flow_run_id):
                    flow_run_id = parent
            except ObjectNotFound:
                continue  # another Prefect server knows it


def _close_killed_run(client: SyncPrefectClient, flow_run_id: UUID) -> UUID | None:
    """Close a flow run and its task runs; return the flow run that has started it, if any."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import TERMINAL_STATES, State, StateType
    from prefect.states import Crashed

    killed: State[Any] = Crashed(message="killed")
    run = client.read_flow_run(flow_run_id)
    if run.state is None or not run.state.is_final():
        client.set_flow_run_state(run.id, killed, force=True)
    unfinished = filters.TaskRunFilter(
        flow_run_id=filters.TaskRunFilterFlowRunId(any_=[run.id]),
        state=filters.TaskRunFilterState(
            type=filters.TaskRunFilterStateType(any_=sorted({*StateType} - TERMINAL_STATES))
        ),
    )
    for task in client.read_task_runs(task_run_filter=unfinished):  # as many as ran side by side
        client.set_task_run_state(task.id, killed, force=True)
    if run.parent_task_run_id is None:
        return None
    return client.read_task_run(run.parent_task_run_id).flow_run_id
