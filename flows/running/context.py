"""What the flows of one command share: the configuration, the open pipeline, the terminal."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from textmill import hardware
from textmill.config import Config
from textmill.errors import InputError, RunError
from textmill.steps.parts import Part
from textmill.steps.sources import Source
from textmill.steps.worker import Stopped, stop_all
from textmill.tracking.database.interruption import interrupt
from textmill.tracking.events import EVENT_TAG
from textmill.tracking.liveness import close_dead_runs
from textmill.tracking.pipeline import Pipeline, open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store
from textmill.tracking.tags import COMMAND_TAG
from textmill_flows.composed import Composed
from textmill_flows.running.cluster import cluster
from textmill_flows.running.console import shown_progress
from textmill_flows.running.notice import notify
from textmill_flows.running.page import Page
from textmill_flows.servers.server import close_killed_runs

log = logging.getLogger("textmill.flows")


class Context:
    """One command at work. Prefect tasks share it within the process; it is never stored.

    No dataclass: Prefect looks into those, and hands a task a copy if a field has changed under its
    eyes; what other branches add to the pipeline would not be in it.

    Args:
        config: the composed configuration.
        pipeline: the open parent run.
        page: what Prefect shows of it.
    """

    def __init__(self, config: Config, pipeline: Pipeline, page: Page) -> None:
        self.config = config
        self.pipeline = pipeline
        self.page = page
        self.n_side_by_side = 1
        """Steps that may run at once; processor threads are split among them."""
        self.threads: Mapping[str, int] = {}
        """Processor threads of steps, by label, where they have to be those of an earlier run."""


def run_step(
    context: Context,
    part: Part,
    inputs: Mapping[str, Result],
    sources: Callable[[], tuple[Source, ...]],
) -> State[Any]:
    """Run a tracked step as the body of a Prefect task.

    Args:
        context: the command at work.
        part: the step, of a task where there is one for each.
        inputs: results of earlier steps, by the names that the step knows them by.
        sources: finds the raw data that it reads.

    Returns:
        A state that says Computed or Reused and holds the Result; or Failed, with one message.
        (An exception would make Prefect print a trace, which tells a user nothing.)
    """
    label = part.label
    try:
        with shown_progress(label, say) as show:
            result = context.pipeline.run(
                part.step,
                part.configure(context.config),
                inputs,
                sources(),
                part.task_config(context.config),
                threads=context.threads.get(label)
                or max(1, hardware.n_cores() // context.n_side_by_side),
                on_progress=show,
            )
    except (InputError, RunError) as error:
        get_run_logger().error(str(error))
        return Failed(message=str(error), data=error)
    state = "reused" if result.is_reused else "computed"
    say(f"{label}: {state}  {result.url}")
    context.page.link(result.url, f"{label} ({state})")
    return Completed(name=state.capitalize(), message=result.url, data=result)


def say(message: str) -> None:
    """Log a message of the running flow or task, for Prefect's page and for the terminal."""
    get_run_logger().info(message)
    log.info(message)


def outcome(state: State[Any]) -> Result:
    """Return the result that a step's state holds.

    Raises:
        InputError: the step could not use its input.
        RunError: the step failed.
    """
    value = state.result(raise_on_failure=False)
    if isinstance(value, Result):
        return value
    raise value if isinstance(value, Exception) else RunError(str(state.message))


@contextmanager
def command(
    name: str,
    composed: Composed,
    task: str | None = None,
    event: str | None = None,
    notifies: bool = True,
) -> Iterator[Context]:
    """Yield the context of one flow: the configuration, an open parent run, a live terminal.

    Args:
        name: the flow.
        composed: the configuration.
        task: the task that the command names, if any.
        event: what the run is made for, if it was not asked for by hand.
        notifies: whether a failure is told to those whom the configuration names; False where a
            flow around this one does that.

    Raises:
        InputError: the data cannot be used.
        RunError: a step failed.
    """
    words = composed.command_line(name, task)
    with opened(name, composed, words, event=event, notifies=notifies) as context:
        yield context


@contextmanager
def opened(
    name: str,
    composed: Composed,
    words: str,
    tags: Mapping[str, str] | None = None,
    scope: str | None = None,
    event: str | None = None,
    notifies: bool = True,
) -> Iterator[Context]:
    """Yield the context of one flow that other words of a terminal stand for.

    Args:
        name: the flow.
        composed: the configuration.
        words: the words of a terminal that do the same.
        tags: further tags of the parent and its steps.
        scope: see `open_pipeline`.
        event: what the run is made for, if it was not asked for by hand.
        notifies: see `command`.

    Raises:
        InputError: the data cannot be used.
        RunError: a step failed.
    """
    config = composed.config
    tags = {
        "prefect.flow_run_id": str(flow_run.id),
        "prefect.flow_run_name": flow_run.name,
        COMMAND_TAG: words,
        **({EVENT_TAG: event} if event else {}),
        **(tags or {}),
    }
    facts = {"experiment": config.experiment, "flow_run": flow_run.name}
    with _steps_end_on_signals():
        try:
            with (
                cluster(config.cluster) as (address, compute),
                open_pipeline(name, config, composed.name, tags, scope) as pipeline,
            ):
                pipeline.cluster, pipeline.compute = address, compute
                facts |= {"run_id": pipeline.run_id, "run_url": pipeline.url}
                close_killed(pipeline.store, config)
                log.info("%s: %s", name, pipeline.url)
                page = Page()
                page.link(pipeline.url, f"{name} in MLflow")
                yield Context(config, pipeline, page)
        except Stopped:
            raise
        except Exception as error:
            if notifies:
                notify(config, "failed", f"{name} failed: {error}", facts)
            raise


def close_killed(store: Store, config: Config) -> None:
    """Close the runs that killed processes left open, in MLflow and in Prefect, and tell of them.

    They could not do so themselves; whom to tell is what the configuration of this run says.
    """
    killed = [run for run in close_dead_runs(store) if run.data.tags["textmill.kind"] == "pipeline"]
    for run in killed:
        facts = {
            "experiment": store.client.get_experiment(run.info.experiment_id).name,
            "flow_run": run.data.tags["prefect.flow_run_name"],
            "run_id": run.info.run_id,
            "run_url": store.run_url(run.info.experiment_id, run.info.run_id),
        }
        notify(config, "failed", f"{run.info.run_name} was killed", facts)
    close_killed_runs([run.data.tags["prefect.flow_run_id"] for run in killed])


def task_runner(config: Config) -> TaskRunner[PrefectFuture[Any]]:
    """Return what runs as many tasks side by side as the configuration says."""
    runner: Any = ThreadPoolTaskRunner(config.cluster.max_parallel_tasks)
    return runner  # type: ignore[no-any-return]


@contextmanager
def _steps_end_on_signals() -> Iterator[None]:
    """End the steps' processes as soon as a signal arrives, so that nothing waits for them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous: dict[signal.Signals, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        stop_all()

        def end() -> None:
            handler = previous[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
            else:
                raise SystemExit(128 + number)

        interrupt(end)

    # The alarm is Prefect's, at the end of a flow's time.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        previous[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
