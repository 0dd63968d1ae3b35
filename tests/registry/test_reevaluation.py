"""Specifies champions that are evaluated again, on other examples or by other metrics."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersion

from tests.registry.conftest import MakeChallenger, Promote, champion, versions
from textmill.errors import InputError, RunError
from textmill.registry.versions import DECISION_TAG, Registry
from textmill.tracking.pipeline import Pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import StoreError


def test_a_decision_on_earlier_examples_is_not_taken_for_one_on_the_new(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    promote(make_challenger(200))
    second = make_challenger(150)
    assert "rejected v2" in promote(second)

    def stop(model: Result) -> Result:
        raise StoreError("the store is away")

    better = replace(second, tested=make_challenger(300, "second").tested, test_digest="second")
    with pytest.raises(StoreError):
        promote(better, stop)
    assert promote(better, lambda model: make_challenger(200, "second").tested).startswith(
        "mood: promoted v2: better"
    )
    assert versions(registry)[1].tags["textmill.test_digest"] == "second"


@pytest.mark.parametrize("n_calls", range(7))
def test_an_interrupted_reevaluation_leaves_consistent_tags_on_the_champion(
    promote: Promote,
    make_challenger: MakeChallenger,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    n_calls: int,
) -> None:
    first = make_challenger(200)
    promote(first)
    calls = itertools.count()
    write = Registry.set_tags

    def interrupted(self: Registry, model: str, version: ModelVersion, tags: Any) -> None:
        for key, value in tags.items():
            if next(calls) == n_calls:
                raise StoreError("the store is away")
            write(self, model, version, {key: value})

    second = make_challenger(300, "second")
    again = make_challenger(200, "second").tested
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "set_tags", interrupted)
        with suppress(StoreError):
            promote(second, lambda model: again)
    tags = versions(registry)[0].tags
    run_of = {"first": first.tested.run_id, "second": again.run_id}
    assert (tags.get("textmill.test_digest"), tags["textmill.run.evaluate"]) in {
        *run_of.items(),
        *((None, run_id) for run_id in run_of.values()),
    }
    promote(second, lambda model: again)
    assert champion(registry) == "2"
    assert versions(registry)[1].tags[DECISION_TAG] == "promoted"
    assert versions(registry)[1].tags["textmill.test_digest"] == "second"


def test_a_champion_evaluated_on_other_examples_is_evaluated_again(
    promote: Promote,
    make_challenger: MakeChallenger,
    evaluated: Callable[..., Result],
    registry: Registry,
) -> None:
    first = make_challenger(200)
    promote(first)
    asked: list[str] = []

    def remeasure(model: Result) -> Result:
        asked.append(model.run_id)
        return evaluated(390, "second")

    # 0.75 is more than the champion's 0.5, but that was on other examples.
    line = promote(make_challenger(300, "second"), remeasure)
    assert line.startswith("mood: kept champion v1, rejected v2: not better: accuracy 0.75 against")
    assert asked == [first.model.run_id]
    tags = versions(registry)[0].tags
    assert (tags["textmill.test_digest"], tags["score.accuracy"]) == ("second", "0.975")
    promote(make_challenger(310, "second"))  # which measures nothing anew


def test_a_champion_with_other_metric_signatures_is_evaluated_again(
    make_challenger: MakeChallenger,
    promote: Promote,
    evaluated: Callable[..., Result],
    pipeline: Pipeline,
) -> None:
    promote(make_challenger(200))
    second = make_challenger(300)
    again = evaluated(200)
    for result in (second.tested, again):
        pipeline.store.set_tags(result.run_id, {"signature.accuracy": "another"})
    assert promote(second, lambda model: again).startswith("mood: promoted v2: better")


@pytest.mark.parametrize("problem", [InputError("no label 'z'"), RunError("it died")])
def test_a_champion_that_cannot_be_measured_stays(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry, problem: Exception
) -> None:
    promote(make_challenger(200))

    def fail(model: Result) -> Result:
        raise problem

    second = make_challenger(300, "second")
    line = promote(second, fail)
    assert f"could not be evaluated on its test set: {problem}" in line
    assert line.endswith("run textmill promote mood")
    assert champion(registry) == "1"
    again = make_challenger(200, "second").tested
    assert promote(second, lambda model: again).startswith("mood: promoted v2: better")


def test_lost_predictions_of_the_champion_are_computed_again(
    promote: Promote,
    make_challenger: MakeChallenger,
    evaluated: Callable[..., Result],
    registry: Registry,
) -> None:
    first = make_challenger(200)
    promote(first)
    (first.tested.folder / "predictions.jsonl").unlink()
    line = promote(make_challenger(300), lambda model: evaluated(200))
    assert line.startswith("mood: promoted v2")


def test_the_champion_itself_on_new_examples_stays_champion(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    first = make_challenger(200)
    promote(first)
    line = promote(replace(first, test_digest="second"))
    assert line == "mood: kept champion v1: it is this model"
    assert versions(registry)[0].tags["textmill.test_digest"] == "second"
    assert len(versions(registry)) == 1


def test_a_champion_below_a_floor_on_new_examples_says_so(
    promote: Promote, make_challenger: MakeChallenger
) -> None:
    first = make_challenger(200)
    promote(first)
    line = promote(replace(first, test_digest="second"), floors={"mood": {"accuracy": 0.6}})
    assert line == (
        "mood: kept champion v1: it is this model; accuracy 0.5 is below the minimum of 0.6"
    )
