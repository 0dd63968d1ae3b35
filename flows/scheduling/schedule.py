"""Serving the scheduled retraining."""

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
from textmill_flows.servers.server import as_run_errors, is_own

SILENCE_S = 60
"""What serves a deployment asks for its runs every 10 s: after this silence nothing does."""


def serve_retraining(
    composed: Composed,
    cron: str,
    timezone: str,
    trigger: str,
    wait_for_server: Callable[[], None],
) -> None:
    """Serve a deployment of the retraining flow until a signal.

    Its schedule is not paused at the end: the last of the ticks that come meanwhile is made up for
    at the next start.

    Args:
        composed: the configuration.
        cron: when to ask the trigger.
        timezone: IANA name, for the cron line.
        trigger: schedule, data or drift.
        wait_for_server: returns when Prefect's server answers.

    Raises:
        InputError: the cron line or the time zone is wrong, or the line never comes to a tick; or
            the same is served already, with other settings.
        RunError: Prefect's server does not start, or fails.
    """
    first, second = upcoming(cron, timezone, 2)
    wait_for_server()
    name = deployment_name(composed.config.experiment, composed.name, trigger)
    version = digest_values([trigger, composed.name, list(composed.overrides)])[:16]
    if not is_own():  # nothing else asks a server for runs that has only just been started
        with as_run_errors():
            refuse_other_settings(name, version)
    console.print(
        f"retrain/{name}: first {first:%Y-%m-%d %H:%M}, then {second:%Y-%m-%d %H:%M}, "
        f"in the time zone {timezone}. Ctrl-C ends it."
    )
    with as_run_errors():
        # One to retrain, one to say at the next tick that this one still does.
        runner = Runner(pause_on_shutdown=False, limit=2)
        fix_settings(trigger, composed.name, composed.overrides)
        # The runner keeps the flow itself: what the server says of its entry point, which whoever
        # reaches the server can change, is not asked for.
        deployment_id = runner.add_flow(
            deployed,
            name,
            schedule=Cron(cron, timezone=timezone),
            description=f"Retrains when there is an event of the trigger {trigger}. What it "
            "retrains is fixed by the command that serves it, and not changed by runs.",
            version=version,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        assert isinstance(deployment_id, UUID)  # no coroutine, as nothing runs here yet
        drop_missed_ticks(deployment_id)
        number = asyncio.run(_serve_until_signal(runner))
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def deployment_name(experiment: str, config_name: str, trigger: str) -> str:
    """Return the name of a deployment; different configurations and experiments have their own."""
    return re.sub("[/%&<>]", "-", f"{Path(config_name).stem}-{experiment}-{trigger}")


def refuse_other_settings(name: str, version: str) -> None:
    """Raise InputError if a deployment of that name is served with other settings.

    Another one would be overwritten while it is at work: its ticks would be taken by this one.

    Args:
        name: of the deployment.
        version: digest of the settings; the server is not told what they are.

    Raises:
        InputError: it is served with others.
    """
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(f"retrain/{name}")
        except ObjectNotFound:
            return
    asked = found.last_polled
    is_served = asked is not None and (datetime.now(UTC) - asked).total_seconds() < SILENCE_S
    if is_served and found.version != version:
        raise InputError(
            f"retrain/{name} is being served with other settings: set experiment=NAME for a "
            f"schedule of its own; or stop the other one, wait {SILENCE_S} seconds, and start this "
            "again."
        )


def drop_missed_ticks(deployment_id: UUID) -> None:
    """Delete the runs that have come due while nothing served the deployment, but for the last."""
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
    """Serve, and cancel the runs under way at SIGINT or SIGTERM; return which it was.

    Prefect's own `serve` leaves them to themselves at SIGTERM (seen with 3.8).
    """
    asked: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    def ask(number: signal.Signals) -> None:
        if not asked.done():
            asked.set_result(number)

    serving: asyncio.Future[None] = asyncio.create_task(runner.start())
    await asyncio.sleep(0)  # it sets a handler of its own
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ask, number)
    either: list[asyncio.Future[Any]] = [serving, asked]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not asked.done():
        await serving  # raises what has ended it
    await runner.astop()
    await serving
    return asked.result()


def upcoming(cron: str, timezone: str, n: int, start: datetime | None = None) -> list[datetime]:
    """Return the next ticks of a cron line, in its time zone.

    A tick in an hour that a clock change repeats comes once, and one in an hour that it leaves
    out comes an hour earlier.

    Args:
        cron: minute, hour, day, month and weekday, or a name such as @daily.
        timezone: IANA name.
        n: how many.
        start: from when on; None means now.

    Raises:
        InputError: the line or the time zone is wrong, or there are no such ticks.
    """
    if len(cron.split()) != 5 and not cron.startswith("@"):
        raise InputError(
            f"The cron line {cron!r} is wrong: write minute, hour, day, month and weekday, such as "
            "'0 2 * * *'."
        )
    try:
        schedule = CronSchedule(cron=cron, timezone=timezone)
    except ValueError as error:
        is_zone = "Invalid timezone" in str(error)
        raise InputError(
            f"There is no time zone {timezone!r}: give a name such as Europe/Berlin."
            if is_zone
            else f"The cron line {cron!r} is wrong: write minute, hour, day, month and weekday, "
            "such as '0 2 * * *'."
        ) from None
    try:
        ticks: list[datetime] = list(asyncio.run(schedule.get_dates(n, start)))
    except ValueError:
        ticks = []
    if len(ticks) < n:
        raise InputError(f"The cron line {cron!r} never fires: there is no such day.")
    return ticks
