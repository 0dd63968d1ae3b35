"""Specifies the search: repeatable, pruned by the median, inside its space, and without a trace."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from textmill.config import FinetuneConfig, SweepConfig
from textmill.config.space import with_settings
from textmill.errors import InputError
from textmill.steps.process import Pruned
from textmill_flows.sweeping.study import Study

SPACE: dict[str, Any] = {
    "finetune.learning_rate": {"low": 1.23456e-4, "high": 3e-3, "log": True},
    "finetune.epochs": {"low": 1, "high": 4},
    "finetune.dropout": [0.0, 0.1, None],
}


def study(**settings: Any) -> Study:
    config = SweepConfig.model_validate({"space": SPACE, **settings})
    return Study(config, FinetuneConfig())


def tried(n: int, **settings: Any) -> list[dict[str, Any]]:
    """The settings of trials whose score is their learning rate."""
    search, found = study(**settings), []
    for _ in range(n):
        trial = search.ask()
        search.tell(trial, float(str(trial.settings["finetune.learning_rate"])))
        found.append(dict(trial.settings))
    return found


def test_equal_scores_lead_to_equal_trials_and_another_seed_to_others() -> None:
    assert tried(15) == tried(15)
    assert tried(3) != tried(3, seed=1)


def test_values_are_inside_the_space_and_short() -> None:
    for settings in tried(15):
        rate = settings["finetune.learning_rate"]
        assert 1.23456e-4 <= rate <= 3e-3
        assert rate in (1.23456e-4, float(f"{rate:.3g}"))
        assert type(settings["finetune.epochs"]) is int
        assert settings["finetune.dropout"] in (0.0, 0.1, None)
        with_settings(FinetuneConfig(), settings)


def test_a_trial_below_the_median_of_the_earlier_ones_is_pruned() -> None:
    search = study()
    for final in (0.5, 0.6, 0.7, 0.8, 0.9):
        trial = search.ask()
        trial.observe(10, final - 0.1)
        trial.observe(20, final)
        search.tell(trial, final)
    good, bad = search.ask(), search.ask()
    good.observe(7, 0.6)  # the median of the first validations, whatever their optimizer steps
    bad.observe(7, 0.61)
    with pytest.raises(Pruned):
        bad.observe(14, 0.69)
    assert bad.scores == [(7, 0.61), (14, 0.69)]
    search.tell(bad, None)
    with pytest.raises(Pruned):
        search.ask().observe(7, 0.59)


def test_nothing_is_pruned_where_that_is_off() -> None:
    search = study(prune=False)
    for final in (0.5, 0.6, 0.7, 0.8, 0.9, 0.0):
        trial = search.ask()
        trial.observe(10, final)
        search.tell(trial, final)


def test_a_score_is_observed_once() -> None:
    trial = study().ask()
    trial.observe(10, 0.5)
    trial.observe(10, 0.5)  # a resumed training reports its scores again
    trial.observe(20, 0.6)
    assert trial.scores == [(10, 0.5), (20, 0.6)]
    assert trial.number == 1


def test_a_failed_trial_changes_the_search_as_a_bad_one() -> None:
    search = study()
    for _ in range(15):
        search.tell(search.ask(), None)  # raises nothing, though no trial has a score


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tried(3)
    assert [*tmp_path.iterdir()] == []


def test_a_missing_optuna_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"needs Optuna, .*pip install textmill\[sweep\]"):
        study()
