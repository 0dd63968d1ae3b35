"""Specifies trials of a sweep in MLflow: what of a training is found again, and what is logged."""

from __future__ import annotations

import pytest

from tests.tracked import Calls, Probe, key_runs, running
from textmill.config import Config, SampleConfig
from textmill.errors import RunError
from textmill.steps.process import Pruned
from textmill.tracking.computing.trial_runs import (
    TrialRecord,
    find_training,
    log_trial,
    pipeline_of_trial,
)
from textmill.tracking.metrics.follow import Progress
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")
LOSS = "train/loss"


def prune_at(step: int) -> object:
    def follow(progress: Progress) -> None:
        if progress.step == step and LOSS in progress.point:
            raise Pruned

    return follow


def test_a_pruned_training_leaves_its_scores_and_nothing_to_resume(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    step = probe("train_in_view")
    with open_pipeline("sweep", config, "tests", {}) as pipeline:
        trial = pipeline_of_trial(pipeline, 3)
        with pytest.raises(Pruned):
            trial.run(step, seed, on_progress=prune_at(5), is_recorded=False)
    (run,) = key_runs(store, step.name, seed.seed)
    assert run.info.status == "KILLED"
    assert run.data.tags["textmill.trial"] == "3"
    key = run.data.tags["textmill.key"]
    assert not (store.wip / key).exists()
    assert running(store) == []
    found = find_training(store, key, LOSS)
    assert found is not None
    assert found.run_id == run.info.run_id
    # The scores that led to it, however far the training came before it stopped.
    assert found.points == [(step, 1 / step) for step in range(1, 6)]
    assert 0 < found.seconds < 60
    with open_pipeline("test", config, "tests", {}) as pipeline:
        result = pipeline.run(step, seed)
    assert (result.is_reused, calls()) == (False, 2)
    assert result.run_id != run.info.run_id
    newest = find_training(store, key, LOSS)
    assert newest is not None
    assert (newest.run_id, len(newest.points)) == (result.run_id, 30)


def test_a_result_of_a_trial_is_marked_until_a_pipeline_uses_it(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    step = probe("write")
    with open_pipeline("sweep", config, "tests", {}) as pipeline:
        result = pipeline_of_trial(pipeline, 1).run(step, seed, is_recorded=False)
        assert pipeline.results == {}
        again = pipeline_of_trial(pipeline, 2).run(step, seed, is_recorded=False)
        assert again.is_reused
    assert store.client.get_run(result.run_id).data.tags["textmill.trial"] == "1"
    with open_pipeline("test", config, "tests", {}) as pipeline:
        assert pipeline.run(step, seed).is_reused
    assert "textmill.trial" not in store.client.get_run(result.run_id).data.tags


def test_a_failed_training_is_not_found(
    config: Config, store: Store, probe: Probe, seed: SampleConfig
) -> None:
    with (
        open_pipeline("sweep", config, "tests", {}) as pipeline,
        pytest.raises(RunError, match="the hub is down"),
    ):
        pipeline_of_trial(pipeline, 1).run(probe("run_error"), seed, is_recorded=False)
    (run,) = key_runs(store, "run_error", seed.seed)
    assert find_training(store, run.data.tags["textmill.key"], LOSS) is None


def test_a_trial_is_a_child_with_its_settings_and_scores(config: Config, store: Store) -> None:
    settings = {"finetune.learning_rate": 0.001, "finetune.dropout": None}
    points = [(6, 0.5), (12, 0.75)]
    with open_pipeline("sweep", config, "tests", {}) as pipeline:
        log_trial(
            pipeline,
            "mood",
            "accuracy",
            TrialRecord(7, settings, "pruned", 0.75, points, None),
        )
    (run,) = store.search(
        f"tags.`mlflow.parentRunId`='{pipeline.run_id}' and tags.`textmill.kind`='trial'"
    )
    assert (run.info.run_name, run.info.status) == ("trial 7", "FINISHED")
    assert run.data.params == {"finetune.learning_rate": "0.001", "finetune.dropout": "None"}
    assert run.data.metrics["best_validation_accuracy"] == 0.75
    assert run.data.tags["textmill.outcome"] == "pruned"
    history = store.client.get_metric_history(run.info.run_id, "validation/accuracy")
    assert [(point.step, point.value) for point in history] == points


def test_a_failed_trial_says_why(config: Config, store: Store) -> None:
    with open_pipeline("sweep", config, "tests", {}) as pipeline:
        record = TrialRecord(1, {"finetune.epochs": 3}, "failed", None, (), None, "it diverged")
        log_trial(pipeline, "mood", "accuracy", record)
    (run,) = store.search(
        f"tags.`mlflow.parentRunId`='{pipeline.run_id}' and tags.`textmill.kind`='trial'"
    )
    assert run.info.status == "FAILED"
    assert run.data.tags["textmill.failure"] == "it diverged"
    assert "best_validation_accuracy" not in run.data.metrics
