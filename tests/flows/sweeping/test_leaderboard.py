"""Specifies the result of a sweep: the table, the best trial, and the settings to copy."""

from __future__ import annotations

from typing import Any

import pytest

from textmill.compose import compose
from textmill.config import Sizes, key_values
from textmill.config.space import with_settings
from textmill.steps.chosen import with_sizes
from textmill.tracking.computing.trial_runs import Training, TrialRecord
from textmill_flows.invocation import Composed
from textmill_flows.sweeping.leaderboard import best_of, leaderboard, overrides_of, summary, word

LEARNING_RATE = "finetune.learning_rate"


def trial(number: int, score: float | None, outcome: str = "computed", **more: Any) -> TrialRecord:
    settings = {LEARNING_RATE: number / 1000, **more}
    return TrialRecord(number, settings, outcome, score, (), Training("r", "url", 60.0, []))


TRIALS = [
    trial(1, 0.7),
    trial(2, 0.9, "pruned"),
    trial(3, 0.8, "reused"),
    trial(4, 0.8),
    trial(5, None, "failed"),
]


def test_the_best_trial_is_complete_and_of_equals_the_first() -> None:
    best = best_of(TRIALS)
    assert best is not None
    assert best.number == 3
    assert best_of(TRIALS[-1:]) is None


def test_complete_trials_come_before_pruned_and_failed_ones() -> None:
    assert leaderboard("mood", "accuracy", trial(0, 0.75), TRIALS).splitlines() == [
        "| mood: trial | validation accuracy | learning_rate |  |",
        "| --- | --- | --- | --- |",
        "| as configured | 0.7500 | 0.0 | computed |",
        "| 3 | 0.8000 | 0.003 | reused |",
        "| 4 | 0.8000 | 0.004 | computed |",
        "| 1 | 0.7000 | 0.001 | computed |",
        "| 2 | 0.9000 | 0.002 | pruned |",
        "| 5 |  | 0.005 | failed |",
    ]


def test_of_many_trials_the_best_ten_are_shown() -> None:
    many = [trial(number, number / 100) for number in range(1, 15)]
    *rows, blank, rest = leaderboard("mood", "f1", trial(0, 0.0), many).splitlines()
    assert len(rows) == 2 + 1 + 10
    assert rows[3].startswith("| 14 |")
    assert (blank, rest) == ("", "4 more trials are in MLflow.")


def test_the_overrides_of_a_trial_give_the_configuration_that_it_had() -> None:
    settings: dict[str, Any] = {
        "finetune.learning_rate": 1.23e-5,
        "finetune.dropout": None,
        "finetune.epochs": 3,
        "finetune.schedule": "linear",
    }
    composed = Composed.of("demo")
    found = overrides_of(composed, composed.config, "topic", trial(1, 0.5, **settings))
    assert found == [
        "tasks.topic.finetune.learning_rate=1.23e-05",
        "tasks.topic.finetune.dropout=null",
        "tasks.topic.finetune.epochs=3",
        "tasks.topic.finetune.schedule=linear",
    ]
    topic, *others = compose("demo", found).tasks
    before, *same = composed.config.tasks
    assert topic.finetune == with_settings(before.finetune, settings)
    assert others == same


def test_the_overrides_include_sizes_that_were_chosen_for_a_budget() -> None:
    own = ["budget_minutes=5", "finetune.epochs=null", "model.n_layer=null"]
    composed = Composed.of("demo", own)
    sizes = Sizes(
        model={"n_layer": 3},
        tasks={task.name: {"max_steps": 77} for task in composed.config.tasks},
    )
    sized = with_sizes(composed.config, sizes)
    found = overrides_of(composed, sized, "topic", trial(1, 0.5))
    assert found == [
        f"tasks.topic.{LEARNING_RATE}=0.001",
        "model.n_layer=3",
        "tasks.topic.finetune.max_steps=77",
    ]
    again = compose("demo", [*own, *found])
    assert key_values(again.model) == key_values(sized.model)
    assert again.tasks[0].finetune.max_steps == 77


@pytest.mark.parametrize("value", [True, None, "linear", "a b, c", 0.1, 3])
def test_a_value_is_read_from_the_command_line_as_it_was(value: Any) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_override(f"key={word(value)}").value()
    assert getattr(parsed, "text", parsed) == value


def test_the_summary_says_whether_a_trial_is_better_than_what_is_set() -> None:
    composed = Composed.of("demo", ["pretrain.max_steps=50"])
    words = (composed, composed.config, "topic", "accuracy")
    better = [*summary(*words, trial(0, 0.75), trial(3, 0.8))]
    assert better[0].startswith("Trial 3 is the best: validation accuracy 0.8000 against 0.7500.")
    assert better[2] == "    tasks.topic.finetune.learning_rate=0.003"
    assert better[-1] == (
        "For its test scores: textmill evaluate topic --config demo pretrain.max_steps=50 "
        "tasks.topic.finetune.learning_rate=0.003"
    )
    (none,) = summary(*words, trial(0, 0.8), trial(3, 0.8))
    assert none.startswith("No trial is better than the settings as they are: ")
    (pruned,) = summary(*words, trial(0, 0.8), None)
    assert pruned.startswith("No trial has finished")
