"""Challengers: the evaluated models of a pipeline run, with what the gate needs to know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from textmill.config import AUTO, LANGUAGE_MODEL, Config, TaskConfig
from textmill.evaluation.metrics import Metric, leading
from textmill.evaluation.notes import doubts, read_notes
from textmill.evaluation.spreads import TRAININGS
from textmill.files import digest_values
from textmill.registry.gate import FURTHER
from textmill.steps.graph import (
    AUDIT,
    BASELINE,
    BEHAVIOUR,
    CLEAN,
    EVALUATE,
    EVALUATE_LM,
    FINETUNE,
    FOLDS,
    GRAPH,
    LM,
    PRETRAIN,
)
from textmill.tasks.kinds import definitions
from textmill.tasks.language_model.memorization.memorized import METRICS as AUDIT_METRICS
from textmill.tracking.pipeline import Pipeline
from textmill.tracking.results import Result
from textmill.tracking.served.logged import log_backbone, log_task_model
from textmill.tracking.tags import BACKBONE

_WITHOUT_SEEDS = {step.name for step in GRAPH.steps.values() if step.is_quick}


@dataclass(frozen=True)
class Challenger:
    """An evaluated model of a pipeline run."""

    name: str
    """The task, or `BACKBONE`."""
    kind: str
    """The kind of task, or `LANGUAGE_MODEL`."""
    metrics: tuple[Metric, ...]
    """Definitions of its metrics."""
    floors: str
    """The name of its scores and floors: the task, or `lm`."""
    language: str
    """BCP 47 tag of its predictions, or "und"."""
    model: Result
    tested: Result
    test_digest: str
    """Digest of the test examples, independent of their location."""
    recipe: str
    """Digest of code, configuration and data, except for seeds."""
    parameters: float
    trivial: Mapping[str, float]
    """Scores of the trivial baseline, by metric."""
    baseline: Mapping[str, float]
    """Scores of the classical baseline, by metric; empty for the backbone."""
    training_deviation: float | None = None
    """Standard deviation of the leading metric between trainings, by cross-validation; None: not
    measured."""
    further: Mapping[str, float] = field(default_factory=dict)
    """Scores that can have floors besides those of its evaluation, by metric: of behaviour tests
    and the bias report, and what a backbone has memorized."""
    doubts: str = ""
    """Findings that make its scores less reliable, added to the reason of the decision."""


def task_challenger(pipeline: Pipeline, config: Config, task: TaskConfig) -> Challenger:
    """Log the model of a task from the results of a pipeline, and return it as a challenger."""
    results = pipeline.results
    model, tested = results[FINETUNE.label(task.name)], results[EVALUATE.label(task.name)]
    log_task_model(pipeline.store, model.run_id, task, model.folder, pipeline.write_filters)
    sources, simple = tested.manifest["sources"], results[BASELINE.label(task.name)]
    metrics, folded = definitions(task.kind, task.metrics), results.get(FOLDS.label(task.name))
    of_trainings = f"{TRAININGS}{leading(metrics).name}"
    return Challenger(
        name=task.name,
        kind=task.kind,
        metrics=metrics,
        floors=task.name,
        language=_language(config, task),
        model=model,
        tested=tested,
        test_digest=digest_values(sorted(source["digest"] for source in sources.values())),
        recipe=recipe_of(model, results),
        parameters=model.metrics()["parameters"],
        trivial=_under("trivial/", simple.metrics()),
        baseline=simple.metrics(),
        training_deviation=None if folded is None else folded.metrics().get(of_trainings),
        further=_further(results.get(BEHAVIOUR.label(task.name))),
        doubts=doubts(read_notes(simple.folder)),
    )


def backbone_challenger(pipeline: Pipeline, config: Config) -> Challenger:
    """Log the backbone from the results of a pipeline, and return it as a challenger."""
    results = pipeline.results
    model = results[PRETRAIN.name]
    log_backbone(pipeline.store, model.run_id, model.folder, pipeline.write_filters)
    return Challenger(
        name=BACKBONE,
        kind=LANGUAGE_MODEL,
        metrics=(*definitions(LANGUAGE_MODEL), *AUDIT_METRICS),
        floors=LM,
        language=_language(config),
        model=model,
        tested=results[EVALUATE_LM.name],
        test_digest=results[CLEAN.name].digest,
        recipe=recipe_of(model, results),
        parameters=model.metrics()["parameters"],
        trivial=_under("unigram/", results[EVALUATE_LM.name].metrics()),
        baseline={},
        further=_further(results.get(AUDIT.name)),
    )


def _further(result: Result | None) -> dict[str, float]:
    metrics = {} if result is None else result.metrics()
    return {key: value for key, value in metrics.items() if key.startswith(FURTHER)}


def _under(prefix: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {k.removeprefix(prefix): v for k, v in metrics.items() if k.startswith(prefix)}


def _language(config: Config, task: TaskConfig | None = None) -> str:
    """Return the target language of a translation, otherwise the single language of the corpus.

    That is the configured language of all sources, or the only language that cleaning keeps; "und"
    if there are several.
    """
    if task is not None and task.answer_language is not None:
        return task.answer_language
    languages = {source.language for source in config.corpus.sources}
    if AUTO in languages or len(languages) > 1:
        languages = set(config.corpus.languages)
    return languages.pop() if len(languages) == 1 else "und"


def recipe_of(result: Result, results: Mapping[str, Result]) -> str:
    """Return a digest of everything that a result depends on, except for seeds."""
    manifest = result.manifest
    # A quick step has no seed, and its result may be equal to that of another key.
    by_key = {other.key: other for label, other in results.items() if label not in _WITHOUT_SEEDS}
    inputs = {
        name: recipe_of(by_key[entry["key"]], results)
        if entry["key"] in by_key
        else entry["digest"]
        for name, entry in manifest["inputs"].items()
    }
    parts = {name: manifest[name] for name in ("step", "code", "packages")}
    sources = {name: source["digest"] for name, source in manifest["sources"].items()}
    config = _without_seeds(manifest["config"])
    return digest_values({**parts, "config": config, "inputs": inputs, "sources": sources})


def _without_seeds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seeds(item) for key, item in value.items() if key != "seed"}
    return [_without_seeds(item) for item in value] if isinstance(value, list) else value
