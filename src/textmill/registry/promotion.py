"""Registration of evaluated models, and their promotion to champion."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlflow.entities.model_registry import ModelVersion

from textmill.config import Config
from textmill.errors import InputError, RunError
from textmill.evaluation.metrics import leading
from textmill.evaluation.spreads import SEEDS, read_spreads
from textmill.registry.challenger import Challenger
from textmill.registry.gate import (
    Cost,
    Decision,
    Reference,
    below_floor,
    decide,
    decide_alone,
    worse_than,
)
from textmill.registry.versions import DECISION_TAG, KEY_TAG, MODEL_RUN_TAG, SCORE_TAG, Registry
from textmill.steps.process import Stopped
from textmill.tasks.kinds import baselines_of
from textmill.tracking.intervals import Predictions, read_predictions
from textmill.tracking.pipeline import Pipeline
from textmill.tracking.results import Result, find_result
from textmill.tracking.served.logged import find_logged_model
from textmill.tracking.store import Store, StoreError
from textmill.tracking.tags import TESTED_RUN_TAG

PROMOTED = "promoted"
PROMOTION_TAG = "textmill.promotion."
TEST_TAG = "textmill.test_digest"
PIPELINE_RUN_TAG = "textmill.run.pipeline"
RECIPE_TAG = "textmill.recipe"
PARAMETERS_TAG = "textmill.parameters"
TRAINING_DEVIATION_TAG = "textmill.training_deviation"
TRIVIAL = "trivial model"

Remeasure = Callable[[Result], Result]
"""Evaluates a model on the challenger's test examples."""


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
    measured = {**scores, **challenger.further}
    missed = below_floor(config.promotion, floors, language, challenger.metrics, measured)
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
        remarks = [f"it is {worse}"] if worse else []
        if missed:
            remarks.append(missed.reason)
        remark = "".join(f"; {one}" for one in remarks)
        reason = f"evaluated again on other test examples{remark}"
        registry.record_decision(name, version, PROMOTED, reason, True)
        registry.set_tags(name, version, tested)
        return f"kept champion v{version.version}: it is this model{remark}"
    others = [v for v in versions if v.version != version.version]
    decision = missed or _decide(registry, config, challenger, champion, others, remeasure)
    if challenger.doubts:
        decision = replace(decision, reason=f"{decision.reason}; but {challenger.doubts}")
    n_earlier = sum(v.tags.get(TEST_TAG) == challenger.test_digest for v in others)
    if (
        n_earlier and decision.is_final
    ):  # a test set that has decided often has itself become a means of selection
        reason = f"{decision.reason}; decision {n_earlier + 1} on this test set"
        decision = replace(decision, reason=reason)
    word = PROMOTED if decision.is_promoted else "rejected"
    registry.record_decision(name, version, word, decision.reason, decision.is_promoted)
    if decision.is_final:
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
        theirs, before = _champion_predictions(
            registry, challenger, champion, remeasure, own.signatures
        )
    except (Stopped, StoreError):
        raise
    except (InputError, RunError) as error:
        reason = (
            f"the champion could not be evaluated on its test set: {str(error).rstrip('.')}. The "
            f"next run decides again; or else run textmill promote {challenger.name}"
        )
        return Decision(False, reason, is_final=False)
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
    tested = store.client.get_run(challenger.tested.run_id).data.metrics
    spreads = [read_spreads(metrics, SEEDS).get(metric) for metrics in (before, tested)]
    trainings = [champion.tags.get(TRAINING_DEVIATION_TAG), challenger.training_deviation]
    return decide(
        config.promotion,
        examples,
        Cost(float(champion.tags[PARAMETERS_TAG]), before.get("seconds")),
        Cost(challenger.parameters, tested.get("seconds")),
        retrained,
        [spread for spread in spreads if spread is not None],
        [float(deviation) for deviation in trainings if deviation is not None],
    )


def _champion_predictions(
    registry: Registry,
    challenger: Challenger,
    champion: ModelVersion,
    remeasure: Remeasure,
    signatures: Mapping[str, str],
) -> tuple[Predictions, Mapping[str, float]]:
    """Return the champion's predictions for the challenger's test examples, and the run's metrics.

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
    return predictions, store.client.get_run(run_id).data.metrics


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


def _tags(
    pipeline: Pipeline, challenger: Challenger, scores: Mapping[str, float]
) -> dict[str, str]:
    deviation = challenger.training_deviation
    measured = {} if deviation is None else {TRAINING_DEVIATION_TAG: repr(deviation)}
    return {
        KEY_TAG: challenger.model.key,
        MODEL_RUN_TAG: challenger.model.run_id,
        TESTED_RUN_TAG: challenger.tested.run_id,
        PIPELINE_RUN_TAG: pipeline.run_id,
        RECIPE_TAG: challenger.recipe,
        PARAMETERS_TAG: str(challenger.parameters),
        "textmill.time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **measured,
        **_score_tags(scores),
    }


def _score_tags(scores: Mapping[str, float]) -> dict[str, str]:
    return {f"{SCORE_TAG}{key}": repr(v) for key, v in scores.items() if "/" not in key}
