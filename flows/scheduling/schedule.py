"""Serves the deployment of scheduled retraining."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.server.schemas.schedules import CronSchedule
from prefect.types.entrypoint import EntrypointType

from textmill.errors import InputError
from textmill.files import digest_values
from textmill_flows.invocation import Composed
from textmill_flows.running.console import console
from textmill_flows.scheduling.fixed import fix_settings
from textmill_flows.scheduling.retrain import deployed
from textmill_flows.servers.server import as_run_errors, owns_server

POLL_TIMEOUT_S = 60
"""A served deployment is polled every 10 s: after this time without a poll, it is not served."""


def serve_retraining(
    composed: Composed,
    cron: str,
    timezone: str,
    trigger: str,
    wait_for_server: Callable[[], None],
) -> None:
    """Serve a deployment of the retraining flow until a signal.

    The schedule is not paused at the end: the next start catches up on the last missed run.

    Args:
        composed: the configuration.
        cron: cron expression of the times at which to check the trigger.
        timezone: IANA name of the time zone of the cron expression.
        trigger: schedule, data or drift.
        wait_for_server: returns when Prefect's server responds.

    Raises:
        InputError: the cron expression or the time zone is invalid, or the expression never
            matches; or the deployment is served already with other settings.
        RunError: Prefect's server does not start, or fails.
    """
    first, second = next_run_times(cron, timezone, 2)
    wait_for_server()
    name = deployment_name(composed.config.experiment, composed.name, trigger)
    version = digest_values([trigger, composed.name, list(composed.overrides)])[:16]
    if not owns_server():  # a server that this process started serves nobody else
        with as_run_errors():
            reject_other_settings(name, version)
    console.print(
        f"retrain/{name}: first {first:%Y-%m-%d %H:%M}, then {second:%Y-%m-%d %H:%M}, "
        f"in the time zone {timezone}. Press Ctrl-C to stop."
    )
    with as_run_errors():
        # One run to retrain, and one to report at the next scheduled time that it is still running.
        runner = Runner(pause_on_shutdown=False, limit=2)
        fix_settings(trigger, composed.name, composed.overrides)
        # The runner keeps the flow object itself: it ignores the entry point stored on the server,
        # which anybody with access to the server can change.
        deployment_id = runner.add_flow(
            deployed,
            name,
            schedule=Cron(cron, timezone=timezone),
            description=f"Retrains if the trigger {trigger} fires. Its settings are fixed by the "
            "command that serves it, and cannot be changed by runs.",
            version=version,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        assert isinstance(deployment_id, UUID)  # not a coroutine: there is no event loop yet
        delete_missed_runs(deployment_id)
        number = asyncio.run(_serve_until_signal(runner))
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def deployment_name(experiment: str, config_name: str, trigger: str) -> str:
    """Return the name of a deployment, unique per configuration, experiment and trigger."""
    return re.sub("[/%&<>]", "-", f"{Path(config_name).stem}-{experiment}-{trigger}")


def reject_other_settings(name: str, version: str) -> None:
    """Raise InputError if a deployment of that name is served with other settings.

    It would be overwritten while it is served, and its scheduled runs would use these settings.

    Args:
        name: the name of the deployment.
        version: digest of the settings, which are not sent to the server.

    Raises:
        InputError: the deployment is served with other settings.
    """
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(f"retrain/{name}")
        except ObjectNotFound:
            return
    polled = found.last_polled
    is_served = polled is not None and (datetime.now(UTC) - polled).total_seconds() < POLL_TIMEOUT_S
    if is_served and found.version != version:
        raise InputError(
            f"retrain/{name} is being served with other settings: set experiment=NAME to serve a "
            f"separate deployment; or stop the other process, wait {POLL_TIMEOUT_S} seconds, and "
            "start this command again."
        )


def delete_missed_runs(deployment_id: UUID) -> None:
    """Delete the runs that came due while the deployment was not served, except the last."""
    late = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
    )
    with get_client(sync_client=True) as client:
        while missed := client.read_flow_runs(
            flow_run_filter=late, sort=FlowRunSort.EXPECTED_START_TIME_DESC, offset=1
        ):
            for run in missed:
                client.delete_flow_run(run.id)


async def _serve_until_signal(runner: Runner) -> signal.Signals:
    """Serve until SIGINT or SIGTERM, then cancel running flow runs; return the signal.

    Prefect's own `serve` does not stop them on SIGTERM (observed with 3.8).
    """
    received: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    def handle(number: signal.Signals) -> None:
        if not received.done():
            received.set_result(number)

    serving: asyncio.Future[None] = asyncio.create_task(runner.start())
    await asyncio.sleep(0)  # let the runner install its handlers, which the next lines replace
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, handle, number)
    either: list[asyncio.Future[Any]] = [serving, received]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not received.done():
        await serving  # raises the runner's exception
    await runner.astop()
    await serving
    return received.result()


def next_run_times(
    cron: str, timezone: str, n: int, start: datetime | None = None
) -> list[datetime]:
    """Return the next times that match a cron expression, in its time zone.

    When clocks are set back, a time in the repeated hour is returned once; when they are set
    forward, a time in the skipped hour is returned an hour earlier.

    Args:
        cron: minute, hour, day, month and weekday, or a name such as @daily.
        timezone: IANA name.
        n: number of times.
        start: earliest time; None means now.

    Raises:
        InputError: the expression or the time zone is invalid, or no time matches.
    """
    if len(cron.split()) != 5 and not cron.startswith("@"):
        raise InputError(_invalid_cron(cron))
    try:
        schedule = CronSchedule(cron=cron, timezone=timezone)
    except ValueError as error:
        is_zone = "Invalid timezone" in str(error)
        raise InputError(
            f"--timezone {timezone!r} is unknown: use an IANA name such as Europe/Berlin."
            if is_zone
            else _invalid_cron(cron)
        ) from None
    try:
        times: list[datetime] = list(asyncio.run(schedule.get_dates(n, start)))
    except ValueError:
        times = []
    if len(times) < n:
        raise InputError(f"The cron expression {cron!r} never fires: no such date exists.")
    return times


def _invalid_cron(cron: str) -> str:
    return (
        f"The cron expression {cron!r} is invalid: use minute, hour, day, month and weekday, such "
        "as '0 2 * * *'."
    )
