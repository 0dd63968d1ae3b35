"""What the flows of one command share: the configuration, the open pipeline, the terminal."""

from __future__ import annotations

import logging
import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from prefect import Task, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run, task_run
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import BaseModel

from flows.cluster import cluster
from flows.console import shown_progress
from flows.notice import notify
from flows.page import Page
from flows.recording import quiet
from flows.server import close_killed_runs
from textmill import hardware
from textmill.compose import compose, redacted
from textmill.config import Config, TaskConfig
from textmill.errors import InputError, RunError
from textmill.steps.sources import Source
from textmill.steps.step import Step
from textmill.steps.worker import Stopped, stop_all
from textmill.tracking.database.interruption import interrupt
from textmill.tracking.events import EVENT_TAG
from textmill.tracking.pipeline import Pipeline, open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store
from textmill.tracking.tags import COMMAND_TAG

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
        """Steps that may run at once; processor threads are shared out among them."""
        self.threads: Mapping[str, int] = {}
        """Processor threads of steps, by label, where they have to be those of an earlier run."""


def run_step(
    context: Context,
    step: Step,
    config: BaseModel,
    inputs: Mapping[str, Result] | None = None,
    sources: tuple[Source, ...] = (),
    for_task: TaskConfig | None = None,
) -> State[Any]:
    """Run a tracked step as the body of a Prefect task.

    Returns:
        A state that says Computed or Reused and holds the Result; or Failed, with one message.
        (An exception would make Prefect print a trace, which tells a user nothing.)
    """
    label = f"{step.name} {for_task.name}" if for_task else step.name
    try:
        with shown_progress(label, say) as show:
            result = context.pipeline.run(
                step,
                config,
                inputs,
                sources,
                for_task,
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


def step_task(name: str) -> Callable[[Callable[..., State[Any]]], Task[..., State[Any]]]:
    """Return the decorator of a Prefect task that runs one tracked step.

    Results live in MLflow alone, so Prefect neither caches nor persists any.
    """

    def run_name() -> str:
        config = task_run.parameters.get("config")
        return f"{name} {config.name}" if isinstance(config, TaskConfig) else name

    def decorate(function: Callable[..., State[Any]]) -> Task[..., State[Any]]:
        return task(name=name, task_run_name=run_name, cache_policy=NO_CACHE, persist_result=False)(
            quiet(function)
        )

    return decorate


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
    config_name: str,
    overrides: list[str],
    task: str | None = None,
    event: str | None = None,
    is_told: bool = True,
) -> Iterator[Context]:
    """Yield the context of one flow: composed configuration, open parent run, live terminal.

    Args:
        name: the flow.
        config_name: a file of conf/, or the path of a YAML file.
        overrides: settings to change.
        task: the task that the command names, if any.
        event: what the run is made for, if it was not asked for by hand.
        is_told: whether a failure is told to those whom the configuration names; False where a
            flow around this one does that.

    Raises:
        InputError: the configuration or the data cannot be used.
        RunError: a step failed.
    """
    config = compose(config_name, overrides)
    words = command_line(name, config_name, overrides, task)
    with opened(name, config, config_name, words, event=event, is_told=is_told) as context:
        yield context


@contextmanager
def opened(
    name: str,
    config: Config,
    config_name: str,
    words: str,
    tags: Mapping[str, str] | None = None,
    scope: str | None = None,
    event: str | None = None,
    is_told: bool = True,
) -> Iterator[Context]:
    """Yield the context of one flow whose configuration is composed already.

    Args:
        name: the flow.
        config: the configuration.
        config_name: what it was composed from.
        words: the words of a terminal that do the same.
        tags: further tags of the parent and its steps.
        scope: see `open_pipeline`.
        event: what the run is made for, if it was not asked for by hand.
        is_told: see `command`.

    Raises:
        InputError: the data cannot be used.
        RunError: a step failed.
    """
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
                open_pipeline(name, config, config_name, tags, scope) as pipeline,
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
            if is_told:
                notify(config, "failed", f"{name} failed: {error}", facts)
            raise


def close_killed(store: Store, config: Config) -> None:
    """Close the runs that killed processes left open, in MLflow and in Prefect, and tell of them.

    They could not do so themselves; whom to tell is what the configuration of this run says.
    """
    killed = [run for run in store.tidy() if run.data.tags["textmill.kind"] == "pipeline"]
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


def command_line(name: str, config_name: str, overrides: list[str], task: str | None) -> str:
    """Return the words of a terminal that do what a flow does, without credentials."""
    words = ["textmill", "run" if name == "pipeline" else name]
    settings = map(redacted, overrides)
    return shlex.join([*words, *([task] if task else []), "--config", config_name, *settings])


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
