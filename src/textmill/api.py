"""The Python API: run the pipeline, and use the registered models.

    from textmill import api

    result = api.run("support.yaml", ["pretrain.max_steps=200"])
    result.scores["intent"]["accuracy"].value
    result  # in a notebook: the report

    classify = api.load_task("support.intent@champion")
    classify("My card was declined.")["label"]

Failures raise InputError or RunError (`textmill.errors`) with the message that the command line
prints. Logging and the umask of the calling process are restored; MLflow's own functions use the
store of the run afterwards.
"""

from __future__ import annotations

import asyncio
import html
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from textmill.compose import compose
from textmill.errors import InputError
from textmill.tasks.inputs import checked
from textmill.tracking.tags import STEP_TAG

if TYPE_CHECKING:
    from textmill.config import Config
    from textmill.tasks.ensemble.predictor import Predictor

__all__ = ["Model", "Result", "Score", "TaskModel", "load_task", "run"]

REPORT_HEIGHT_PX = 800
Value = TypeVar("Value")


@dataclass(frozen=True)
class Score:
    """A model's score on its test examples, with those of simple models on the same examples."""

    value: float
    low: float
    """Lower bound of the 95 % interval."""
    high: float
    """Upper bound of the 95 % interval."""
    baseline: float | None
    """Score of the baseline trained on the same examples, if it has this metric."""
    trivial: float | None
    """Score of the trivial model, if there is one."""


@dataclass(frozen=True)
class Model:
    """A version of a registered model."""

    name: str
    """Its registered name, `<experiment>.<task>`."""
    version: str
    is_champion: bool
    decision: str
    """`promoted`, `rejected`, or a manual decision."""
    reason: str
    """Explanation of the decision."""


@dataclass(frozen=True)
class Result:
    """A finished pipeline run; displayed as its report in notebooks."""

    run_id: str
    """MLflow run id, for `textmill compare`, `lineage` and `reproduce`."""
    url: str
    """URL of the run in MLflow, available while `textmill ui` runs."""
    scores: Mapping[str, Mapping[str, Score]]
    """By task and metric; the language model is the task `lm`."""
    models: Mapping[str, Model]
    """Registered model versions by task; the language model is `backbone`.

    Empty if promotion is disabled."""
    report: Path
    """The HTML report."""

    def _repr_html_(self) -> str:
        page = html.escape(self.report.read_text(encoding="utf-8"))
        # The report contains untrusted text: sandboxed without scripts, links only.
        return (
            f'<iframe srcdoc="{page}" sandbox="allow-popups" title="report of {self.run_id}" '
            f'style="width: 100%; height: {REPORT_HEIGHT_PX}px; border: 0"></iframe>'
        )


class TaskModel:
    """A loaded task model; call it with one or several texts.

    Args:
        predictor: the model.
        run_id: MLflow run of the step that trained it.
    """

    def __init__(self, predictor: Predictor, run_id: str) -> None:
        self._predictor = predictor
        self.run_id = run_id
        """MLflow run of the step that trained it, for `textmill lineage`."""

    @overload  # a str is a Sequence[str] as well; the first that fits counts
    def __call__(  # type: ignore[overload-overlap]
        self, texts: str | Mapping[str, str]
    ) -> dict[str, Any]: ...

    @overload
    def __call__(self, texts: Sequence[str | Mapping[str, str]]) -> list[dict[str, Any]]: ...

    def __call__(
        self, texts: str | Mapping[str, str] | Sequence[str | Mapping[str, str]]
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """Return the prediction for a text, or for each of several, as `textmill predict` does.

        Content filters of a configuration do not apply.

        If the kind of task has several columns, such as `question` and `context`, a mapping with
        them takes the place of a text.

        Returns:
            For classification `label` and `score`, or `labels`, a list of these, if a text may have
            several; for tagging `entities`, each with its `score`, for translation `translation`,
            for generation `response`, for question answering `answer`, `start`, `end` and `score`;
            and `is_cut`, whether the text was truncated to the model's context.

        Raises:
            InputError: an item has another form, or a value is not a string.
        """
        is_single = isinstance(texts, str | Mapping)
        columns = self._predictor.columns
        inputs = []
        for place, given in enumerate([texts] if is_single else texts):
            try:
                inputs.append(checked(given, columns))
            except ValueError as error:
                where = "" if is_single else f"[{place}]"
                raise InputError(f"texts{where}: {error}.") from None
        predictions = self._predictor(inputs)
        return predictions[0] if is_single else predictions


def run(config: str | Path = "demo", overrides: Sequence[str] = ()) -> Result:
    """Run the pipeline as `textmill run` does, and return its result.

    Results in the store are reused. Messages and progress go to standard error. An interrupt
    (Ctrl-C, or a notebook's stop button) stops the steps; the same call resumes them.

    Args:
        config: name of a file in conf/, or path of a YAML file.
        overrides: `key=value` in Hydra's grammar, such as "pretrain.max_steps=200".

    Raises:
        InputError: the configuration or the data cannot be used.
        RunError: a step or a server failed; finished steps are kept.
    """
    with _process_restored():
        from textmill_flows.invocation import Composed

        composed = Composed.of(str(config), overrides)
        from textmill.steps.process import allow_steps
        from textmill_flows.servers.server import ready_flow

        allow_steps()

        def run_flow() -> str:
            flow = ready_flow("textmill_flows.pipeline:pipeline", composed.config)
            from textmill_flows.running.start import call

            return str(call(flow, (composed,)))

        return _read_result(composed.config, _outside_of_event_loop(run_flow))


def load_task(model: str, config: str | Path = "demo", overrides: Sequence[str] = ()) -> TaskModel:
    """Return a registered task model, ready to predict.

    Args:
        model: registered name with alias or version: "support.intent@champion",
            "support.intent/3".
        config: configuration of the store, in its section `tracking`; by default `mlruns` in the
            working folder.
        overrides: settings to change, such as "tracking.home=/data/mlruns".

    Raises:
        InputError: there is no such model, or it is not a task model.
        RunError: the model is missing or damaged, or the store does not respond.
    """
    with _process_restored():
        tracking = compose(str(config), overrides).tracking
        from textmill.registry.lineage import run_of_model
        from textmill.steps.graph import FINETUNE
        from textmill.tasks.ensemble.predictor import load_predictor
        from textmill.tracking.artifacts import output_folder
        from textmill.tracking.store import Store

        store = Store(tracking)
        run_id = run_of_model(store, model)
        step = store.client.get_run(run_id).data.tags.get(STEP_TAG)
        if step != FINETUNE.name:
            made = f"by the step {step}" if step else "outside of textmill"
            raise InputError(
                f"{model} is not a task model, it was created {made}: use a task's model."
            )
        return TaskModel(load_predictor(output_folder(store, run_id)), run_id)


def _read_result(config: Config, run_id: str) -> Result:
    """Return the result of a finished pipeline run from the store.

    Raises:
        RunError: some of it is missing or damaged.
    """
    from textmill.registry.versions import DECISION_TAG, KEY_TAG, REASON_TAG, Registry
    from textmill.reports.report import NAME
    from textmill.steps.graph import FINETUNE, GRAPH, PRETRAIN
    from textmill.tracking.artifacts import artifact
    from textmill.tracking.intervals import score_intervals
    from textmill.tracking.results import find_result, recorded_results
    from textmill.tracking.store import Store, metric_name
    from textmill.tracking.tags import BACKBONE

    store = Store(config.tracking)
    parent = store.client.get_run(run_id)
    runs = recorded_results(parent)
    metrics = parent.data.metrics
    scores: dict[str, dict[str, Score]] = {}
    for task, label in GRAPH.scored(runs).items():
        scores[task] = {}
        tested = {label: find_result(store, runs[label])}
        for key, found in score_intervals(store, tested).items():
            simple, trivial = (
                metrics.get(metric_name(f"{prefix}{key}"))
                for prefix in ("baseline/", "baseline/trivial/")
            )
            score = Score(found.value, found.low, found.high, simple, trivial)
            scores[task][key.removeprefix(f"{task}/")] = score

    registry = Registry(store, config.experiment)
    models: dict[str, Model] = {}
    made = {BACKBONE: PRETRAIN.label()}
    made |= {task.name: FINETUNE.label(task.name) for task in config.tasks}
    for name, label in made.items():
        if label not in runs or not config.promotion.enabled:
            continue
        key = store.client.get_run(runs[label]).data.tags["textmill.key"]
        champion = registry.champion(name)
        for version in registry.versions(name):
            if version.tags.get(KEY_TAG) == key:
                models[name] = Model(
                    name=registry.name_of(name),
                    version=str(version.version),
                    is_champion=champion is not None and champion.version == version.version,
                    decision=version.tags.get(DECISION_TAG, ""),
                    reason=version.tags.get(REASON_TAG, ""),
                )
    info = parent.info
    url = store.run_url(info.experiment_id, run_id)
    return Result(run_id, url, scores, models, artifact(store, parent, NAME))


def _outside_of_event_loop(work: Callable[[], Value]) -> Value:
    """Return the result of `work`, run in another thread if this one has an event loop.

    Notebook cells have one, and Prefect would wait on it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            from textmill.steps.process import stop_all

            stop_all()
            raise  # once the pool's thread has closed the run


@contextmanager
def _process_restored() -> Iterator[None]:
    """Restore the umask of the process, which is the store's while it is written."""
    umask = os.umask(0o077)
    os.umask(umask)
    try:
        yield
    finally:
        os.umask(umask)
