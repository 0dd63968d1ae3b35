"""textmill in Python: run the whole chain, and ask the models that it has registered.

    from textmill import api

    result = api.run("support.yaml", ["pretrain.max_steps=200"])
    result.scores["intent"]["accuracy"].value
    result  # in a notebook: the report

    classify = api.load_task("support.intent@champion")
    classify("My card was declined.")["label"]

What cannot be done is an InputError or a RunError (`textmill.errors`) with the message that the
command line prints. Logging and the umask of the calling process are left as they were; MLflow's
own functions use the store of the run from then on.
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

if TYPE_CHECKING:
    from textmill.config import Config
    from textmill.tasks.predictor import Predictor

__all__ = ["Model", "Result", "Score", "TaskModel", "load_task", "run"]

REPORT_HEIGHT_PX = 800
Value = TypeVar("Value")


@dataclass(frozen=True)
class Score:
    """What a model scores on its test examples, beside simple models on the same ones."""

    value: float
    low: float
    """Lower bound of the 95 % interval."""
    high: float
    """Upper bound of the 95 % interval."""
    baseline: float | None
    """Of the simple model that was trained on the same examples, where it has such a score."""
    trivial: float | None
    """Of a model that has learned next to nothing, where there is one."""


@dataclass(frozen=True)
class Model:
    """A version of a registered model."""

    name: str
    """Its registered name, `<experiment>.<task>`."""
    version: str
    is_champion: bool
    decision: str
    """`promoted` or `rejected`, or what was done with it by hand."""
    reason: str
    """Why, in words."""


@dataclass(frozen=True)
class Result:
    """A finished run of the whole chain; a notebook shows its report."""

    run_id: str
    """In MLflow: what `textmill compare`, `lineage` and `reproduce` ask for."""
    url: str
    """Its page in MLflow, once `textmill ui` runs."""
    scores: Mapping[str, Mapping[str, Score]]
    """By task and metric; the language model is the task `lm`."""
    models: Mapping[str, Model]
    """The registered versions of its models by task; that of the language model is `backbone`.

    Nothing, where the configuration switches promotion off."""
    report: Path
    """The page that tells of it."""

    def _repr_html_(self) -> str:
        page = html.escape(self.report.read_text(encoding="utf-8"))
        # Text of others stands in it: so it is shown without scripts, and may open links alone.
        return (
            f'<iframe srcdoc="{page}" sandbox="allow-popups" title="report of {self.run_id}" '
            f'style="width: 100%; height: {REPORT_HEIGHT_PX}px; border: 0"></iframe>'
        )


class TaskModel:
    """A task model, loaded: called with a text or several, it predicts.

    Args:
        predictor: the model.
        run_id: of the step that made it.
    """

    def __init__(self, predictor: Predictor, run_id: str) -> None:
        self._predictor = predictor
        self.run_id = run_id
        """Of the step that made it: `textmill lineage` says from what."""

    @overload  # a str is a Sequence[str] as well; the first that fits counts
    def __call__(self, texts: str) -> dict[str, Any]: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, texts: Sequence[str]) -> list[dict[str, Any]]: ...

    def __call__(self, texts: str | Sequence[str]) -> dict[str, Any] | list[dict[str, Any]]:
        """Return what `textmill predict` says of a text, or of each of several.

        Returns:
            Of a classification `label` and `score`, of tagging `entities`, of a translation
            `translation`; and whether the text was too long for the model, `is_cut`.

        Raises:
            InputError: something is no text.
        """
        if isinstance(texts, str):
            return self._predictor([texts])[0]
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"texts[{place}] is {text!r}: give a text, or a list of texts.")
        return self._predictor(texts)


def run(config: str | Path = "demo", overrides: Sequence[str] = ()) -> Result:
    """Run the whole chain as `textmill run` does, and return what came of it.

    Results that the store holds already are reused. Messages and progress go to standard error.
    An interruption (Ctrl-C, or the button of a notebook) ends the steps; the same call goes on.

    Args:
        config: the name of a file of conf/, or the path of a YAML file.
        overrides: `key=value` in Hydra's grammar, such as "pretrain.max_steps=200".

    Raises:
        InputError: the configuration or the data cannot be used.
        RunError: a step or a server failed; finished steps are kept.
    """
    with _process_restored():
        from textmill_flows.composed import Composed

        composed = Composed.of(str(config), overrides)
        from textmill.steps.worker import allow_steps
        from textmill_flows.servers.server import ready_flow

        allow_steps()

        def run_flow() -> str:
            flow = ready_flow("textmill_flows.pipeline:pipeline", composed.config)
            from textmill_flows.running.start import call

            return str(call(flow, (composed,)))

        return _read_result(composed.config, _outside_of_event_loop(run_flow))


def load_task(model: str, config: str | Path = "demo", overrides: Sequence[str] = ()) -> TaskModel:
    """Return a task model that was registered, ready to be called with texts.

    Args:
        model: registered name and alias, or version: "support.intent@champion",
            "support.intent/3".
        config: names the store, by its section `tracking`: `mlruns` in the working folder, if it
            says nothing else.
        overrides: settings to change, such as "tracking.home=/data/mlruns".

    Raises:
        InputError: there is no such model, or it is no task's.
        RunError: the model is missing or damaged, or the store does not answer.
    """
    with _process_restored():
        tracking = compose(str(config), overrides).tracking
        from textmill.registry.lineage import run_of_model
        from textmill.steps.graph import FINETUNE
        from textmill.tasks.predictor import load_predictor
        from textmill.tracking.artifacts import output_folder
        from textmill.tracking.store import Store

        store = Store(tracking)
        run_id = run_of_model(store, model)
        step = store.client.get_run(run_id).data.tags.get("textmill.step")
        if step != FINETUNE.name:
            made = f"by the step {step}" if step else "by something else than textmill"
            raise InputError(f"{model} is no task's model, it was made {made}: name a task's.")
        return TaskModel(load_predictor(output_folder(store, run_id)), run_id)


def _read_result(config: Config, run_id: str) -> Result:
    """Return what the store holds of a pipeline's run that has finished.

    Raises:
        RunError: some of it is missing or damaged.
    """
    from textmill.registry.versions import DECISION_TAG, KEY_TAG, REASON_TAG, Registry
    from textmill.reports.report import NAME
    from textmill.steps.graph import FINETUNE, GRAPH, PRETRAIN
    from textmill.tracking.answers import score_intervals
    from textmill.tracking.artifacts import artifact
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
    """Return what the work returns, done where no event loop runs: Prefect would wait on it.

    In the cells of a notebook one does; there the work is done in another thread.
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
            from textmill.steps.worker import stop_all

            stop_all()
            raise  # once the pool's thread has closed the run


@contextmanager
def _process_restored() -> Iterator[None]:
    """Give the process its umask back, which is the store's while it is written."""
    umask = os.umask(0o077)
    os.umask(umask)
    try:
        yield
    finally:
        os.umask(umask)
