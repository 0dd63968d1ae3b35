"""Prefect's server: its environment, and the one that a command starts for itself."""

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
"""Free disk space that the databases of Prefect and MLflow need to start a run."""
FULL_MIB = 1
PING_TIMEOUT_S = 5
START_TIMEOUT_S = 180
CLIENT_RETRIES = {
    "PREFECT_CLIENT_MAX_RETRIES": "6",
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500,504",
    "PREFECT_API_REQUEST_TIMEOUT": "30",
}
"""Settings to retry for two minutes (2 + 4 + … + 64 s) while a user's server is unavailable."""

DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"

_own_server: subprocess.Popen[bytes] | None = None


def prefect_home(config: Config) -> Path:
    """Return the folder of Prefect's database, in the store: both UIs show the same runs."""
    return Path(config.tracking.home) / "prefect"


def ready_flow(place: str, config: Config) -> Flow[..., Any]:
    """Return the flow `module:flow`, after configuring Prefect and waiting for its server.

    Later runs in the same process use the server of the first, with its history.

    Raises:
        InputError: the login in the environment is invalid.
        RunError: the folder of results or the store cannot be used, or a server does not respond.
    """
    set_up_environment(config)
    wait_for_server = start_server(config.tracking)
    if "prefect" in sys.modules:  # already imported, such as in a notebook: reload its settings
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()
    from textmill_flows.running.start import load

    flow = load(place, config)
    wait_for_server()
    return flow


def set_up_environment(config: Config) -> None:
    """Set Prefect's environment variables; must be called before Prefect is imported.

    Raises:
        InputError: the login in the environment is invalid.
        RunError: the folder of results is not writable, or its disk is full.
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
            (home / "prefect.db").touch()  # a file created by SQLite is not group-writable
    except OSError as error:
        if is_disk_full(error):
            raise RunError(full_disk_message(home)) from None
        raise RunError(
            f"{home} is not writable ({error.strerror}): set tracking.home, or PREFECT_HOME if "
            "that is set, to a writable folder."
        ) from None
    if free_mib(home) < MIN_MIB:
        raise RunError(f"{full_disk_message(home)} At least {MIN_MIB} MiB are needed.")
    for name, value in {
        # For a flow called from Python, which starts a server like a command.
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        # The server would print tracebacks to the terminal; clients get the errors as responses.
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_CLI_PROMPT": "false",
        # If the path has a question mark, Prefect's default URL names a different file.
        **({DATABASE: sqlite_url(home / "prefect.db", "aiosqlite")} if "?" in str(home) else {}),
        **(CLIENT_RETRIES if "PREFECT_API_URL" in os.environ else {}),
    }.items():
        os.environ.setdefault(name, value)


def free_mib(folder: Path) -> float:
    """Return the free space on a folder's disk, in MiB."""
    return shutil.disk_usage(folder).free / 2**20


def start_server(tracking: TrackingConfig, is_full: bool = False) -> Callable[[], None]:
    """Start a Prefect server that runs as long as this process, unless PREFECT_API_URL is set.

    The server starts while this process imports libraries; Prefect's own temporary server would
    import all server code in this process first. Must be called before Prefect is imported, so
    that at exit Prefect sends its last states before the server is stopped (atexit is LIFO).

    Args:
        tracking: its address, allowed hosts, and whether it requires the login.
        is_full: whether the server has a UI and a scheduler. A temporary server has neither, and
            listens on any free port of the loopback address.

    Returns:
        A function that waits until the server responds, and raises RunError if it does not.

    Raises:
        InputError: a login is required, and none is set.
        RunError: the port is in use, or the server at PREFECT_API_URL does not respond.
    """
    if "PREFECT_API_URL" in os.environ:
        _ping(register_secrets(os.environ["PREFECT_API_URL"]))
        return lambda: None
    server, url = launch(tracking, is_full)
    os.environ["PREFECT_API_URL"] = url
    global _own_server
    _own_server = server
    atexit.register(web.stop, server)

    def wait() -> None:
        try:
            # The socket is already listening: the request waits until the server is ready or exits.
            with urllib.request.urlopen(f"{url}/health", timeout=START_TIMEOUT_S):
                pass
        except OSError as error:
            raise _failure(error) from error

    return wait


def launch(tracking: TrackingConfig, is_full: bool) -> tuple[subprocess.Popen[bytes], str]:
    """Start the process of a Prefect server; return it and the URL of its API.

    Raises: see `start_server`.
    """
    host, port = (tracking.host, tracking.prefect_port) if is_full else (LOOPBACK_NAMES[0], 0)
    extra = tracking.allowed_hosts if is_full else ()  # no proxy knows a temporary one
    login = required_login(host, tracking.auth, extra)
    url = f"http://{local_address(host, port)}"
    fix = f"tracking.prefect_port; or, if textmill ui runs there, PREFECT_API_URL={url}/api"
    listening = listen(host, port, fix)
    port = listening.getsockname()[1]
    server = web.start(
        "textmill_flows.servers.prefect_app",
        listening,
        own_hosts(host, port, extra),
        *([] if is_full else ["--temporary"]),
        has_login=login is not None,
        log=Path(os.environ["PREFECT_HOME"]) / "server.log",
    )
    return server, f"http://{local_address(host, port)}/api"


def owns_server() -> bool:
    """Return whether this process has started Prefect's server."""
    return _own_server is not None


def _ping(url: str) -> None:
    try:
        with urllib.request.urlopen(request(f"{url.rstrip('/')}/health"), timeout=PING_TIMEOUT_S):
            return
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise RunError(
            f"The Prefect server {url} does not answer ({reason}): start it, set PREFECT_API_URL "
            "to a running server, or unset it to start a temporary server for each run."
        ) from None


@contextmanager
def as_run_errors() -> Iterator[None]:
    """Convert exceptions of Prefect and its HTTP client to RunError with a one-line message.

    Must be used after `set_up_environment`, as it imports Prefect.

    Raises:
        RunError: Prefect's server failed.
    """
    from httpx import HTTPError
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except (HTTPError, PrefectHTTPStatusError) as error:
        raise _failure(error) from error


def _failure(error: Exception) -> RunError:
    """Return the error for a failure of Prefect's server, with its fix."""
    home = Path(os.environ["PREFECT_HOME"])
    if free_mib(home) < FULL_MIB:
        return RunError(full_disk_message(home))
    reason = (str(error) or type(error).__name__).splitlines()[0]
    if _own_server is None and "PREFECT_API_URL" in os.environ:
        return RunError(
            f"The Prefect server {os.environ['PREFECT_API_URL']} failed ({reason}). Run again when "
            "it is available: finished steps are reused."
        )
    return RunError(
        f"Prefect's server failed ({reason}): run again; if the failure persists, see "
        f"{home / 'server.log'}."
    )


def close_killed_runs(flow_run_ids: list[str]) -> None:
    """Mark the Prefect flow runs of killed pipelines, and their task runs, as crashed.

    Their parent flow runs are marked as well, because they ran in the same process.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        for flow_run_id in map(UUID, flow_run_ids):
            try:
                while parent := _close_killed_run(client, flow_run_id):
                    flow_run_id = parent
            except ObjectNotFound:
                continue  # it was recorded by another Prefect server


def _close_killed_run(client: SyncPrefectClient, flow_run_id: UUID) -> UUID | None:
    """Close a flow run and its task runs; return its parent flow run, if any."""
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
    for task in client.read_task_runs(task_run_filter=unfinished):  # those that ran in parallel
        client.set_task_run_state(task.id, killed, force=True)
    if run.parent_task_run_id is None:
        return None
    return client.read_task_run(run.parent_task_run_id).flow_run_id
