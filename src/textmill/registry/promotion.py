"""Registration of evaluated models, and their promotion to champion."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from textmill.config import AUTO, LANGUAGE_MODEL, Config, TaskConfig
from textmill.errors import InputError, RunError
from textmill.evaluation.metrics import Metric, leading
from textmill.evaluation.notes import doubts, read_notes
from textmill.files import digest_values
from textmill.registry.gate import (
    Cost,
    Decision,
    Reference,
    below_floor,
    decide,
    decide_alone,
    worse_than,
)
from textmill.registry.versions import DECISION_TAG, KEY_TAG, MODEL_RUN_TAG, Registry
from textmill.steps.graph import BASELINE, CLEAN, EVALUATE, EVALUATE_LM, FINETUNE, LM, PRETRAIN
from textmill.steps.process import Stopped
from textmill.tasks.kinds import baselines_of, definitions
from textmill.tracking.intervals import Predictions, read_predictions
from textmill.tracking.pipeline import Pipeline
from textmill.tracking.results import Result, find_result
from textmill.tracking.served.logged import find_logged_model, log_backbone, log_task_model
from textmill.tracking.store import Store, StoreError
from textmill.tracking.tags import BACKBONE, TESTED_RUN_TAG

PROMOTED = "promoted"
PROMOTION_TAG = "textmill.promotion."
TEST_TAG = "textmill.test_digest"
PIPELINE_RUN_TAG = "textmill.run.pipeline"
RECIPE_TAG = "textmill.recipe"
PARAMETERS_TAG = "textmill.parameters"
SCORE_TAG = "score."
TRIVIAL = "trivial model"

Remeasure = Callable[[Result], Result]
"""Evaluates a model on the challenger's test examples."""


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
    doubts: str = ""
    """Findings that make its scores less reliable, added to the reason of the decision."""


def task_challenger(pipeline: Pipeline, config: Config, task: TaskConfig) -> Challenger:
    """Log the model of a task from the results of a pipeline, and return it as a challenger."""
    results = pipeline.results
    model, tested = results[FINETUNE.label(task.name)], results[EVALUATE.label(task.name)]
    log_task_model(pipeline.store, model.run_id, task, model.folder)
    sources, simple = tested.manifest["sources"], results[BASELINE.label(task.name)]
    return Challenger(
        name=task.name,
        kind=task.kind,
        metrics=definitions(task.kind, task.metrics),
        floors=task.name,
        language=_language(config, task),
        model=model,
        tested=tested,
        test_digest=digest_values(sorted(source["digest"] for source in sources.values())),
        recipe=recipe_of(model, results),
        parameters=results[PRETRAIN.name].metrics()["parameters"],
        trivial=_under("trivial/", simple.metrics()),
        baseline=simple.metrics(),
        doubts=doubts(read_notes(simple.folder)),
    )


def backbone_challenger(pipeline: Pipeline, config: Config) -> Challenger:
    """Log the backbone from the results of a pipeline, and return it as a challenger."""
    results = pipeline.results
    model = results[PRETRAIN.name]
    log_backbone(pipeline.store, model.run_id, model.folder)
    return Challenger(
        name=BACKBONE,
        kind=LANGUAGE_MODEL,
        metrics=definitions(LANGUAGE_MODEL),
        floors=LM,
        language=_language(config),
        model=model,
        tested=results[EVALUATE_LM.name],
        test_digest=results[CLEAN.name].digest,
        recipe=recipe_of(model, results),
        parameters=model.metrics()["parameters"],
        trivial=_under("unigram/", results[EVALUATE_LM.name].metrics()),
        baseline={},
    )


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
    by_key = {other.key: other for other in results.values()}
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


@dataclass(frozen=True)
class Outcome:
    """The outcome of a challenge."""

    line: str
    is_promoted: bool


def challenge(
    pipeline: Pipeline, config: Config, challenger: Challenger, remeasure: Remeasure
) -> Outcome:
    """Register a model unless it is registered already, and promote it if it passes the gate.

    Args:
        pipeline: the run that computed or reused it.
        config: with the promotion section.
        challenger: the model.
        remeasure: evaluates a champion that was evaluated on other test examples.

    Raises:
        InputError: the registered name is used by another project, or a floor is invalid.
        StoreError: the store failed.
    """
    registry = Registry(pipeline.store, config.experiment)
    with registry.locked():
        line = _challenge(pipeline, config, registry, challenger, remeasure)
    pipeline.store.set_tags(pipeline.run_id, {f"{PROMOTION_TAG}{challenger.name}": line})
    return Outcome(f"{challenger.name}: {line}", line.startswith(PROMOTED))


def _challenge(
    pipeline: Pipeline,
    config: Config,
    registry: Registry,
    challenger: Challenger,
    remeasure: Remeasure,
) -> str:
    name, scores = challenger.name, challenger.tested.metrics()
    # First, as it raises InputError for an invalid floor.
    floors, language = challenger.floors, challenger.language
    missed = below_floor(config.promotion, floors, language, challenger.metrics, scores)
    versions = registry.versions(name)
    champion = registry.champion(name)
    version = next((v for v in versions if v.tags.get(KEY_TAG) == challenger.model.key), None)
    is_tested = version is not None and version.tags.get(TEST_TAG) == challenger.test_digest
    if version is not None and is_tested and DECISION_TAG in version.tags:
        kept = f"champion v{champion.version}" if champion else "no champion"
        return f"kept {kept}: v{version.version} is this model, {version.tags[DECISION_TAG]}"
    tags = _tags(pipeline, challenger, scores)
    if version is None:
        logged = find_logged_model(pipeline.store, challenger.model.run_id)
        assert logged is not None  # by task_challenger or backbone_challenger
        version = registry.register(name, logged, challenger.model.run_id, tags)
    else:
        # After an interruption, the earlier decision must not be taken for one on the new test set.
        registry.delete_tags(name, version, (DECISION_TAG, TEST_TAG))
        registry.set_tags(name, version, tags)
    tested = {TEST_TAG: challenger.test_digest}  # set last: it marks the challenge as complete
    if champion is not None and champion.version == version.version:
        worse = worse_than(_reference(config, challenger), challenger.metrics, scores)
        remark = f"; it is {worse}" if worse else ""
        reason = f"evaluated again on other test examples{remark}"
        registry.record_decision(name, version, PROMOTED, reason, True)
        registry.set_tags(name, version, tested)
        return f"kept champion v{version.version}: it is this model{remark}"
    others = [v for v in versions if v.version != version.version]
    decision = missed or _decide(registry, config, challenger, champion, others, remeasure)
    if challenger.doubts:
        decision = replace(decision, reason=f"{decision.reason}; but {challenger.doubts}")
    word = PROMOTED if decision.is_promoted else "rejected"
    registry.record_decision(name, version, word, decision.reason, decision.is_promoted)
    registry.set_tags(name, version, tested)
    if decision.is_promoted:
        return f"{PROMOTED} v{version.version}: {decision.reason}"
    kept = f"champion v{champion.version}" if champion else "no champion"
    return f"kept {kept}, rejected v{version.version}: {decision.reason}"


def _reference(config: Config, challenger: Challenger) -> Reference | None:
    """Return the simple model that no champion of the kind may be worse than; None: any may be."""
    required = config.promotion.must_beat
    if required == "baseline" and leading(challenger.metrics).name in challenger.baseline:
        # Imported for decisions only: the baselines of most kinds import scikit-learn.
        name = baselines_of(challenger.kind).CLASSICAL_BASELINE
        return Reference(f"baseline {name}", challenger.baseline)
    return None if required is None else Reference(TRIVIAL, challenger.trivial)


def _decide(
    registry: Registry,
    config: Config,
    challenger: Challenger,
    champion: ModelVersion | None,
    others: list[ModelVersion],
    remeasure: Remeasure,
) -> Decision:
    """Return the decision on a model that is not below a floor."""
    metrics, scores = challenger.metrics, challenger.tested.metrics()
    reference = _reference(config, challenger)
    if worse := worse_than(reference, metrics, scores):
        decision = Decision(False, worse)
    elif champion is None:
        trivial = Reference(TRIVIAL, challenger.trivial)
        return decide_alone(metrics, scores, trivial, reference)
    else:
        decision = _compare(registry, config, challenger, champion, others, remeasure)
    if decision.is_promoted:
        return decision
    champion = registry.champion(challenger.name)  # again: it may have been evaluated since
    if champion is None or champion.tags.get(TEST_TAG) != challenger.test_digest:
        return decision
    metric = leading(metrics).name
    score = champion.tags.get(f"{SCORE_TAG}{metric}")
    worse = worse_than(reference, metrics, {metric: float(score)} if score else {})
    remark = f"; champion v{champion.version} is {worse}" if worse else ""
    return replace(decision, reason=f"{decision.reason}{remark}")


def _compare(
    registry: Registry,
    config: Config,
    challenger: Challenger,
    champion: ModelVersion,
    others: list[ModelVersion],
    remeasure: Remeasure,
) -> Decision:
    if not {MODEL_RUN_TAG, TESTED_RUN_TAG, PARAMETERS_TAG} <= champion.tags.keys():
        return Decision(False, f"textmill did not register the champion v{champion.version}")
    store = registry.store
    own = read_predictions(store, store.client.get_run(challenger.tested.run_id))
    try:
        theirs, seconds = _champion_predictions(
            registry, challenger, champion, remeasure, own.signatures
        )
    except (Stopped, StoreError):
        raise
    except (InputError, RunError) as error:
        return Decision(False, f"the champion could not be evaluated on its test set: {error}")
    if own.signatures != theirs.signatures:
        return Decision(False, "its metrics are computed differently from the champion's")
    try:
        examples = theirs.tabulate(own)
    except ValueError as error:
        return Decision(False, f"a paired test with the champion is impossible: {error}")
    metric = examples.leading
    retrained = [
        float(v.tags[f"{SCORE_TAG}{metric}"])
        for v in others
        if v.tags.get(RECIPE_TAG) == challenger.recipe
        and v.tags.get(TEST_TAG) == challenger.test_digest
        and f"{SCORE_TAG}{metric}" in v.tags
    ]
    return decide(
        config.promotion,
        examples,
        Cost(float(champion.tags[PARAMETERS_TAG]), seconds),
        Cost(challenger.parameters, _seconds(store, challenger.tested.run_id)),
        retrained,
    )


def _champion_predictions(
    registry: Registry,
    challenger: Challenger,
    champion: ModelVersion,
    remeasure: Remeasure,
    signatures: Mapping[str, str],
) -> tuple[Predictions, float | None]:
    """Return the champion's predictions for the challenger's test examples, and their time.

    The champion is evaluated again, and its tags updated, if it was evaluated on other examples or
    with other metrics (different signatures).

    Raises:
        InputError: the champion cannot be evaluated on them.
        RunError: its result is lost, or the evaluation failed.
    """
    store, run_id = registry.store, champion.tags[TESTED_RUN_TAG]
    predictions = None
    if champion.tags.get(TEST_TAG) == challenger.test_digest:
        try:
            predictions = read_predictions(store, store.client.get_run(run_id))
        except StoreError:
            raise
        except RunError:
            predictions = None  # lost or damaged: evaluate again
        if predictions is not None and predictions.signatures != signatures:
            predictions = None
    if predictions is None:
        tested = remeasure(find_result(store, champion.tags[MODEL_RUN_TAG]))
        run_id = tested.run_id
        predictions = read_predictions(store, store.client.get_run(run_id))
        # Removed while the tags are updated, so that an interruption leaves no stale scores.
        registry.delete_tags(challenger.name, champion, (TEST_TAG,))
        tags = {TESTED_RUN_TAG: run_id, **_score_tags(tested.metrics())}
        registry.set_tags(challenger.name, champion, tags | {TEST_TAG: challenger.test_digest})
    return predictions, _seconds(store, run_id)


def champion_results(store: Store, experiment: str, model: str) -> tuple[Result, Result] | None:
    """Return the champion of a task or backbone with its evaluation, or None if there is none.

    Raises:
        RunError: one of the results is missing or damaged.
    """
    champion = Registry(store, experiment).champion(model)
    if champion is None or not {MODEL_RUN_TAG, TESTED_RUN_TAG} <= champion.tags.keys():
        return None
    trained, tested = (
        find_result(store, champion.tags[tag]) for tag in (MODEL_RUN_TAG, TESTED_RUN_TAG)
    )
    return trained, tested


def _seconds(store: Store, run_id: str) -> float | None:
    seconds: float | None = store.client.get_run(run_id).data.metrics.get("seconds")
    return seconds


def _tags(
    pipeline: Pipeline, challenger: Challenger, scores: Mapping[str, float]
) -> dict[str, str]:
    return {
        KEY_TAG: challenger.model.key,
        MODEL_RUN_TAG: challenger.model.run_id,
        TESTED_RUN_TAG: challenger.tested.run_id,
        PIPELINE_RUN_TAG: pipeline.run_id,
        RECIPE_TAG: challenger.recipe,
        PARAMETERS_TAG: str(challenger.parameters),
        "textmill.time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **_score_tags(scores),
    }


def _score_tags(scores: Mapping[str, float]) -> dict[str, str]:
    return {f"{SCORE_TAG}{key}": repr(v) for key, v in scores.items() if "/" not in key}
