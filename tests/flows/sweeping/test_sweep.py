"""Specifies the trials of a sweep: their outcomes, what ends it, and what it goes on after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from textmill.compose import compose
from textmill.config import Config
from textmill.errors import InputError, RunError
from textmill.steps.process import Pruned, Stopped
from textmill.tracking.computing.trial_runs import Training, TrialRecord
from textmill.tracking.store import StoreError
from textmill_flows.sweeping import sweep as module
from textmill_flows.sweeping.study import Study, Trial
from textmill_flows.sweeping.sweep import Search, task_of

OVERRIDES = [
    "tasks.topic.sweep.trials=4",
    "tasks.topic.sweep.space={finetune.learning_rate: {low: 1e-4, high: 1e-2, log: true}}",
]


class Fake(Search):
    """A search whose trainings are functions of the trial."""

    def __init__(self, config: Config, train: Callable[[Trial], float]) -> None:
        self.context: Any = SimpleNamespace(
            pipeline=SimpleNamespace(store=None), config=config, page=None
        )
        self.task = task_of(config, "topic")
        self.metric = "accuracy"
        self.part: Any = SimpleNamespace(label="finetune topic", configure=lambda config: config)
        self.inputs, self.sources = {}, ()
        self.train = train

    def _compute(self, trial: Trial, config: Any, task: Any) -> Any:
        score = self.train(trial)
        metrics = {"best_validation_accuracy": score}
        return SimpleNamespace(metrics=lambda: metrics, is_reused=False)


@pytest.fixture
def stored() -> dict[str, Training]:
    """The trainings in the store, by key."""
    return {}


@pytest.fixture(autouse=True)
def _no_store(stored: dict[str, Training], monkeypatch: pytest.MonkeyPatch) -> None:
    def key(config: Config, inputs: Any, sources: Any, task: Any) -> str:
        return f"{task_of(config, 'topic').finetune.learning_rate:g}"

    def run(search: Search, trial: Trial) -> Any:
        try:
            found: Any = search.evaluate(trial)
        except (InputError, RunError) as error:
            found = error
        return SimpleNamespace(result=lambda raise_on_failure: found)

    monkeypatch.setattr(module, "key_of_training", key)
    monkeypatch.setattr(module, "find_training", lambda store, key, metric: stored.get(key))
    monkeypatch.setattr(module, "run_trial", SimpleNamespace(with_options=lambda **_: run))
    monkeypatch.setattr(module, "say", lambda message: None)


def run(train: Callable[[Trial], float], *overrides: str) -> list[TrialRecord]:
    config = compose("demo", [*OVERRIDES, *overrides])
    search = Fake(config, train)
    return search.run(Study(search.task.sweep, search.task.finetune))


def key_of(trial: Trial) -> str:
    return f"{trial.settings['finetune.learning_rate']:g}"


def test_a_trial_trains_with_its_settings_and_has_the_score_of_its_training() -> None:
    records = run(lambda trial: trial.number / 10)
    assert [record.score for record in records] == [0.1, 0.2, 0.3, 0.4]
    assert {record.outcome for record in records} == {"computed"}
    assert len({record.settings["finetune.learning_rate"] for record in records}) == 4


def test_a_failed_training_does_not_end_the_sweep() -> None:
    def train(trial: Trial) -> float:
        if trial.number == 2:
            raise RunError("the loss has risen")
        return 0.5

    records = run(train)
    assert [r.outcome for r in records] == ["computed", "failed", "computed", "computed"]
    assert (records[1].score, records[1].failure) == (None, "the loss has risen")


def test_a_sweep_whose_trainings_all_fail_says_why() -> None:
    def train(trial: Trial) -> float:
        raise RunError(f"no memory in {trial.number}")

    with pytest.raises(RunError, match="Every trial has failed, the last one with: no memory in 4"):
        run(train)


@pytest.mark.parametrize("kind", [InputError, Stopped, StoreError])
def test_what_concerns_all_trials_ends_the_sweep(kind: type[Exception]) -> None:
    tried: list[int] = []

    def train(trial: Trial) -> float:
        tried.append(trial.number)
        raise kind("no more")

    with pytest.raises(kind, match="no more"):
        run(train)
    assert tried == [1]


def test_a_pruned_trial_has_its_best_score_so_far() -> None:
    scores: Iterator[float] = iter([0.3, 0.4, 0.35])

    def train(trial: Trial) -> float:
        for step, score in enumerate(scores):
            trial.observe(step, score)
        raise Pruned

    first, *_ = run(lambda trial: 0.5 if trial.number > 1 else train(trial))
    assert (first.outcome, first.score) == ("pruned", 0.4)
    assert first.points == [(0, 0.3), (1, 0.4), (2, 0.35)]


def test_the_scores_of_stored_trainings_prune_the_same_trials(stored: dict[str, Training]) -> None:
    def train(trial: Trial) -> float:
        for step in (6, 12):
            trial.observe(step, 1 / trial.number)
        return 1 / trial.number

    def keep(trial: Trial) -> float:
        points = [(6, 1 / trial.number), (12, 1 / trial.number)]
        stored[key_of(trial)] = Training("r", "u", 60.0, points)
        return train(trial)

    first = run(keep, "tasks.topic.sweep.trials=7")
    assert [r.outcome for r in first] == [*["computed"] * 5, "pruned", "pruned"]
    retrained: list[int] = []

    def again(trial: Trial) -> float:
        retrained.append(trial.number)
        return 1 / trial.number

    second = run(again, "tasks.topic.sweep.trials=7")
    assert [(r.outcome, r.settings, r.score, list(r.points)) for r in second] == [
        (r.outcome, r.settings, r.score, list(r.points)) for r in first
    ]
    assert retrained == [1, 2, 3, 4, 5]  # a pruned one is not asked for


def test_no_trial_begins_after_the_maximum_time(stored: dict[str, Training]) -> None:
    def train(trial: Trial) -> float:
        stored[key_of(trial)] = Training("r", "u", 1800.0, [])
        return 0.5

    assert len(run(train, "tasks.topic.sweep.max_hours=0.9")) == 2
    assert len(run(train, "tasks.topic.sweep.max_hours=0.5")) == 1


def test_of_several_seeds_the_mean_counts() -> None:
    search = Fake(compose("demo", OVERRIDES), lambda trial: 0.0)
    metrics = {"best_validation_accuracy": 0.9, "best_validation_accuracy/mean": 0.8}
    result: Any = SimpleNamespace(metrics=lambda: metrics)
    assert search._score(result) == 0.8
