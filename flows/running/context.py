"""The context of a flow: configuration, open pipeline run, Prefect page, signal handling."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
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
from textmill.steps.process import Stopped, stop_all
from textmill.steps.raw_sources import Source
from textmill.tracking.database.interruption import interrupt
from textmill.tracking.events import EVENT_TAG
from textmill.tracking.liveness import close_dead_runs
from textmill.tracking.pipeline import Pipeline, open_pipeline
from textmill.tracking.raw_data import with_fixed_labels
from textmill.tracking.results import Result
from textmill.tracking.store import Store
from textmill.tracking.tags import COMMAND_TAG, KIND_TAG
from textmill_flows.answering.filtering import write_model_filters
from textmill_flows.invocation import Composed
from textmill_flows.running.cluster import cluster
from textmill_flows.running.console import shown_progress
from textmill_flows.running.notice import notify
from textmill_flows.running.prefect_artifacts import Page
from textmill_flows.servers.server import close_killed_runs

log = logging.getLogger("textmill.flows")


class Context:
    """The state of a running command, shared by its Prefect tasks within the process.

    Not a dataclass: Prefect inspects dataclasses, and passes a copy to a task if a field has
    changed, without later additions of other branches to the pipeline.

    Args:
        config: the composed configuration.
        pipeline: the open parent run.
        page: its page in Prefect.
    """

    def __init__(self, config: Config, pipeline: Pipeline, page: Page) -> None:
        self.config = config
        self.pipeline = pipeline
        self.page = page
        self.n_side_by_side = 1
        """Number of parallel steps, among which CPU threads are split."""
        self.threads: Mapping[str, int] = {}
        """CPU threads by label, for steps that must use those of an earlier run."""
        self.only_reused: Collection[str] = ()
        """Labels of steps that are not computed; it is an error if they have no stored result."""
        self.task_seconds: Mapping[str, float] = {}
        """Expected duration of each task's branch, by its name, if there is a budget."""


def run_step(
    context: Context,
    part: Part,
    inputs: Mapping[str, Result],
    sources: Callable[[], tuple[Source, ...]],
) -> State[Any]:
    """Run a tracked step as the body of a Prefect task.

    Args:
        context: the running command.
        part: the step.
        inputs: results of earlier steps, by input name.
        sources: returns the raw data that it reads.

    Returns:
        A state Computed or Reused with the Result; or Failed, with one message. (For an exception,
        Prefect would print a traceback.)
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
                only_reuse=label in context.only_reused,
            )
    except (InputError, RunError) as error:
        get_run_logger().error(str(error))
        return Failed(message=str(error), data=error)
    state = "reused" if result.is_reused else "computed"
    say(f"{label}: {state}  {result.url}")
    context.page.link(result.url, f"{label} ({state})")
    return Completed(name=state.capitalize(), message=result.url, data=result)


def say(message: str) -> None:
    """Log a message of the running flow or task, to Prefect and to the terminal."""
    get_run_logger().info(message)
    log.info(message)


def outcome(state: State[Any]) -> Result:
    """Return the result in a step's state.

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
    argument: str | None = None,
    event: str | None = None,
    notifies: bool = True,
) -> Iterator[Context]:
    """Yield the context of a flow with an open parent run.

    Args:
        name: name of the flow.
        composed: the configuration.
        argument: the argument of the command, such as a task, if any.
        event: the event that triggered the run, if any.
        notifies: whether to send notifications of failures; False if an enclosing flow does.

    Raises:
        InputError: the data cannot be used.
        RunError: a step failed.
    """
    words = composed.command_line(name, argument)
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
    """Yield the context of a flow with a given command line.

    Args:
        name: name of the flow.
        composed: the configuration.
        words: the equivalent command line.
        tags: additional tags of the parent run and its steps.
        scope: see `open_pipeline`.
        event: the event that triggered the run, if any.
        notifies: see `command`.

    Raises:
        InputError: the data cannot be used.
        RunError: a step failed.
    """
    config = with_fixed_labels(composed.config)
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
                pipeline.write_filters = partial(write_model_filters, config)
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
    """Close the runs of killed processes in MLflow and Prefect, and send notifications.

    The recipients are those in the configuration of this run.
    """
    killed = [run for run in close_dead_runs(store) if run.data.tags[KIND_TAG] == "pipeline"]
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
    """Return a task runner with the configured number of parallel tasks."""
    runner: Any = ThreadPoolTaskRunner(config.cluster.max_parallel_tasks)
    return runner  # type: ignore[no-any-return]


@contextmanager
def _steps_end_on_signals() -> Iterator[None]:
    """Stop the steps' processes when a signal arrives, so that the flow does not wait for them."""
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

    # Prefect uses SIGALRM for a flow's timeout.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        previous[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
