"""Running a flow from the command line or Python, with errors as InputError or RunError."""

from __future__ import annotations

import importlib
import os
import signal
import threading
from types import FrameType
from typing import Any, NoReturn

from httpx import HTTPError
from prefect import Flow
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from textmill.config import Config, key_values
from textmill.errors import RunError
from textmill.steps.graph import GRAPH, awaits_sizes
from textmill.steps.step import code_of
from textmill.tasks.shown import page_of
from textmill.tasks.statistics import statistics_of
from textmill.tracking.store import Store
from textmill_flows.running.console import terminal
from textmill_flows.running.context import task_runner
from textmill_flows.servers.server import as_run_errors, owns_server

EXIT_TIMEOUT_S = 15


def load(place: str, config: Config) -> Flow[..., Any]:
    """Return a flow with the configured task runner, after opening the store.

    Args:
        place: `module:flow`.
        config: the configuration.

    Raises:
        RunError: the tracking store cannot be opened.
    """
    module, _, name = place.partition(":")
    flow: Flow[..., Any] = getattr(importlib.import_module(module), name)
    # What every run needs is loaded now, while Prefect's server starts.
    Store(config.tracking)  # creates the database of a first run
    for part in GRAPH.parts(config):
        is_open = awaits_sizes(part, config)
        code_of(part.step, None if is_open else key_values(part.configure(config)))
    for kind in {task.kind for task in config.tasks}:
        page_of(kind)
        statistics_of(kind)
    return flow.with_options(task_runner=task_runner(config))


def call(flow: Flow[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Run a flow in this process and return what it returns.

    Raises:
        InputError: the configuration or the data cannot be used.
        RunError: a step failed, or Prefect's server.
    """
    # Heartbeats are useless on a server that exits with this process, and stopping them takes up to
    # a second.
    own: dict[Any, Any] = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None} if owns_server() else {}
    with terminal(), as_run_errors(), temporary_settings(own):
        return flow(*arguments)


def start(flow: Flow[..., Any], arguments: tuple[Any, ...]) -> None:
    """Run a flow as the main work of this process.

    Raises:
        InputError: the configuration or the data cannot be used.
        RunError: a step failed, or Prefect's server.
        SystemExit: 143, if the run was stopped by SIGTERM.
    """
    # Prefect cleans up after SIGTERM, and then invokes the previous handler.
    signal.signal(signal.SIGTERM, _exit)
    try:
        call(flow, arguments)
    except RunError as error:
        if isinstance(error.__cause__, HTTPError | PrefectHTTPStatusError):
            _limit_exit_time()
        raise


def _limit_exit_time() -> None:
    """Exit within a timeout: Prefect would wait minutes for an unreachable server.

    Only states and logs in Prefect are lost; the results are in MLflow.
    """
    timer = threading.Timer(EXIT_TIMEOUT_S, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
