"""Running a flow from the command line, with its failures as exceptions of ours."""

from __future__ import annotations

import importlib
from typing import Any

from prefect import Flow
from prefect.exceptions import TerminationSignal
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.console import terminal
from textmill.config import Config


def start(name: str, config: Config, arguments: tuple[Any, ...]) -> None:
    """Run the flow `flows.<name>:<name>` in this process.

    Raises:
        InputError: the configuration or the data cannot be used.
        RunError: a step failed.
        SystemExit: 143, when the run was ended by SIGTERM.
    """
    flow: Flow[..., Any] = getattr(importlib.import_module(f"flows.{name}"), name)
    runner: TaskRunner[PrefectFuture[Any]] = ThreadPoolTaskRunner(  # type: ignore[assignment]
        config.cluster.max_parallel_tasks
    )
    limited = flow.with_options(task_runner=runner)
    try:
        with terminal():
            limited(*arguments)
    except TerminationSignal as error:
        raise SystemExit(128 + error.signal) from None
