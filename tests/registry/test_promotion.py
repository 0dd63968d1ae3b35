"""Specifies what follows an evaluation: models are registered, and challenge the champion."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion

from textmill.config import Config
from textmill.errors import InputError, RunError
from textmill.files import MANIFEST, digest_folder, digest_values, write_json
from textmill.registry.challenger import Challenger
from textmill.registry.promotion import challenge
from textmill.registry.versions import DECISION_TAG, REASON_TAG, Registry
from textmill.tasks.kinds import definitions
from textmill.tracking.artifacts import publish
from textmill.tracking.pipeline import Pipeline, open_pipeline
from textmill.tracking.results import Result, find_result
from textmill.tracking.store import StoreError

_numbers = itertools.count(1)
N = 400
Promote = Callable[..., str]


@pytest.fixture
def mood(config: Config) -> Config:
    """A configuration in an experiment of its own, so with a registry of its own."""
    return config.model_copy(update={"experiment": f"promotion {next(_numbers)}"})


@pytest.fixture
def pipeline(mood: Config) -> Iterator[Pipeline]:
    with open_pipeline("pipeline", mood, "mood.yaml", {}) as opened:
        yield opened


@pytest.fixture
def make_step(pipeline: Pipeline, tmp_path: Path) -> Callable[..., Result]:
    """Returns a function that makes a finished step with these files."""
    store = pipeline.store

    def make(step: str, files: dict[str, str], seconds: float = 2.0) -> Result:
        key = f"key {next(_numbers)}"
        run_id = store.start_run(pipeline.experiment_id, step, {"textmill.key": key})
        out = tmp_path / run_id
        out.mkdir()
        for name, text in files.items():
            (out / name).write_text(text)
        digests = digest_folder(out)
        manifest = {"step": step, "config": {"kind": "classification"}, "files": digests}
        write_json(out / MANIFEST, manifest | {"digest": digest_values(digests)})
        publish(store, run_id, out)
        store.log_metrics(run_id, {"seconds": seconds})
        store.end_run(run_id, "FINISHED")
        return find_result(store, run_id)

    return make


@pytest.fixture
def evaluated(make_step: Callable[..., Result]) -> Callable[..., Result]:
    """Returns a function that makes an evaluation with so many right answers."""

    def make(n_right: int, test_set: str = "first", seconds: float = 2.0) -> Result:
        rows = [
            {"text": f"{test_set} {i}", "reference": "a", "label": "a" if i < n_right else "b"}
            for i in range(N)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        metrics = json.dumps({"accuracy": n_right / N, "class/a/f1": 0.5})
        return make_step("evaluate", {"predictions.jsonl": lines, "metrics.json": metrics}, seconds)

    return make


@pytest.fixture
def make_challenger(
    pipeline: Pipeline, make_step: Callable[..., Result], evaluated: Callable[..., Result]
) -> Callable[..., Challenger]:
    """Returns a function that makes an evaluated model with so many right answers."""
    client: Any = pipeline.store.client

    def make(n_right: int, test_set: str = "first", **further: Any) -> Challenger:
        model = make_step("finetune", {"weights": f"{next(_numbers)}"})
        logged = client.create_logged_model(
            pipeline.experiment_id, "mood", source_run_id=model.run_id
        )
        client.log_outputs(model.run_id, [LoggedModelOutput(logged.model_id, 0)])
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        tested = evaluated(n_right, test_set)
        made = Challenger(
            name="mood",
            kind="classification",
            metrics=definitions("classification"),
            floors="mood",
            language="en",
            model=model,
            tested=tested,
            test_digest=test_set,
            recipe="recipe",
            parameters=1e6,
            trivial={"accuracy": 0.05},
            baseline={},
        )
        return replace(made, **further)

    return make


MakeChallenger = Callable[..., Challenger]


@pytest.fixture
def promote(pipeline: Pipeline, mood: Config) -> Promote:
    """Returns a function that lets a model challenge; nothing may be measured anew."""

    def refuse(model: Result) -> Result:
        raise AssertionError("nothing is to be measured anew")

    def go(
        challenger: Challenger,
        remeasure: Callable[[Result], Result] = refuse,
        **promotion: Any,
    ) -> str:
        section = mood.promotion.model_copy(update=promotion)
        config = mood.model_copy(update={"promotion": section})
        return challenge(pipeline, config, challenger, remeasure).line

    return go


@pytest.fixture
def registry(pipeline: Pipeline, mood: Config) -> Registry:
    return Registry(pipeline.store, mood.experiment)


def versions(registry: Registry) -> list[ModelVersion]:
    return registry.versions("mood")


def champion(registry: Registry) -> str | None:
    found = registry.champion("mood")
    return None if found is None else str(found.version)


def test_the_first_model_is_champion_and_its_version_says_what_it_is(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry, pipeline: Pipeline
) -> None:
    challenger = make_challenger(200)
    line = promote(challenger)
    assert line == "mood: promoted v1: the first, and better than the trivial model"
    assert champion(registry) == "1"
    (version,) = versions(registry)
    expected = {
        "textmill.key": challenger.model.key,
        "textmill.run.model": challenger.model.run_id,
        "textmill.run.evaluate": challenger.tested.run_id,
        "textmill.run.pipeline": pipeline.run_id,
        "textmill.test_digest": "first",
        "score.accuracy": "0.5",
        DECISION_TAG: "promoted",
    }
    assert {key: version.tags.get(key) for key in expected} == expected
    assert "score.class/a/f1" not in version.tags
    tags = pipeline.store.client.get_run(pipeline.run_id).data.tags
    assert line.endswith(tags["textmill.promotion.mood"])


def test_a_first_model_that_has_learned_nothing_is_no_champion(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    line = promote(make_challenger(200, trivial={"accuracy": 0.5}))
    assert line == (
        "mood: kept no champion, rejected v1: no better than the trivial model: "
        "accuracy 0.5 against 0.5"
    )
    assert champion(registry) is None


WORDS = "the baseline naive_bayes_logistic_regression"


def test_a_first_model_that_is_worse_than_the_baseline_is_no_champion(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    baseline = {"accuracy": 0.5}
    line = promote(make_challenger(199, baseline=baseline))
    expected = f"worse than {WORDS}: accuracy 0.4975 against 0.5"
    assert line == f"mood: kept no champion, rejected v1: {expected}"
    assert versions(registry)[0].tags[REASON_TAG] == expected
    line = promote(make_challenger(200, baseline=baseline))
    count = "decision 2 on this test set"
    assert line == f"mood: promoted v2: the first, and equal to {WORDS}; {count}"
    assert champion(registry) == "2"


def test_decisions_are_counted_by_the_test_set(
    promote: Promote, make_challenger: MakeChallenger
) -> None:
    made = [make_challenger(n_right) for n_right in (200, 300, 100)]
    found = [re.findall(r"decision (\d) on this test set", promote(model)) for model in made]
    assert found == [[], ["2"], ["3"]]
    other = replace(made[-1], test_digest="second", tested=make_challenger(100, "second").tested)
    assert "decision" not in promote(other, lambda _: make_challenger(300, "second").tested)


@pytest.mark.parametrize(
    ("must_beat", "reason"),
    [
        ("baseline", f"kept no champion, rejected v1: worse than {WORDS}: accuracy 0.25 against"),
        ("trivial", "kept no champion, rejected v1: worse than the trivial model: accuracy 0.25 a"),
        (None, "promoted v1: the first"),
    ],
)
def test_the_model_that_a_champion_must_beat_is_a_setting(
    promote: Promote, make_challenger: MakeChallenger, must_beat: str | None, reason: str
) -> None:
    bad = make_challenger(100, baseline={"accuracy": 0.5}, trivial={"accuracy": 0.3})
    assert promote(bad, must_beat=must_beat).startswith(f"mood: {reason}")


def test_without_scores_of_a_baseline_the_trivial_model_is_the_reference(
    promote: Promote, make_challenger: MakeChallenger
) -> None:
    line = promote(make_challenger(100, baseline={"leaked_examples": 0.0}))
    assert line == "mood: promoted v1: the first, and better than the trivial model"


def test_a_kind_without_scores_of_simple_models_has_no_reference(
    promote: Promote, make_challenger: MakeChallenger
) -> None:
    without: dict[str, dict[str, float]] = {"baseline": {}, "trivial": {}}
    assert promote(make_challenger(100, **without)) == "mood: promoted v1: the first"
    assert promote(make_challenger(300, **without)).startswith("mood: promoted v2: better")


def test_a_better_model_than_the_champion_that_is_worse_than_the_baseline_is_rejected(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    promote(make_challenger(200), must_beat=None)
    baseline = {"accuracy": 0.8}
    assert promote(make_challenger(300, baseline=baseline)) == (
        f"mood: kept champion v1, rejected v2: worse than {WORDS}: accuracy 0.75 against 0.8; "
        f"champion v1 is worse than {WORDS}: accuracy 0.5 against 0.8; decision 2 on this test set"
    )
    free = make_challenger(300, baseline=baseline, recipe="another")
    assert promote(free, must_beat=None).startswith("mood: promoted v3: better")
    assert champion(registry) == "3"


def test_a_champion_that_is_worse_than_the_baseline_stays_and_the_reason_says_so(
    promote: Promote,
    make_challenger: MakeChallenger,
    evaluated: Callable[..., Result],
    registry: Registry,
) -> None:
    first = make_challenger(200)
    promote(first)
    baseline = {"accuracy": 0.51}
    worse = f"worse than {WORDS}: accuracy 0.505 against 0.51"
    line = promote(
        make_challenger(205, "second", baseline=baseline), lambda model: evaluated(202, "second")
    )
    assert line.startswith("mood: kept champion v1, rejected v2: ")
    assert line.endswith(f": accuracy 0.5125 against 0.505; champion v1 is {worse}")
    better = make_challenger(300, "second", baseline=baseline)
    assert "worse" not in promote(better)
    assert champion(registry) == "3"


def test_a_champion_that_is_worse_than_the_baseline_on_other_test_examples_says_so(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    first = make_challenger(200, baseline={"accuracy": 0.4})
    assert promote(first).startswith("mood: promoted v1: the first, and better than the baseline")
    line = promote(replace(first, test_digest="second", baseline={"accuracy": 0.6}))
    worse = f"it is worse than {WORDS}: accuracy 0.5 against 0.6"
    assert line == f"mood: kept champion v1: it is this model; {worse}"
    assert versions(registry)[0].tags[REASON_TAG].endswith(worse)
    assert champion(registry) == "1"


def test_a_better_model_replaces_the_champion_and_a_worse_one_does_not(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    promote(make_challenger(200))
    assert promote(make_challenger(150)).startswith(
        "mood: kept champion v1, rejected v2: not better: accuracy 0.375 against 0.5"
    )
    assert versions(registry)[1].tags[DECISION_TAG] == "rejected"
    assert versions(registry)[1].tags[REASON_TAG].startswith("not better")
    line = promote(make_challenger(300, recipe="another"))
    assert line.startswith("mood: promoted v3: better: accuracy 0.75 against 0.5")
    assert champion(registry) == "3"
    registry.rollback("mood")
    assert champion(registry) == "1"


def test_a_model_below_its_floor_is_never_champion(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    floors = {"mood": {"accuracy": 0.6}}
    line = promote(make_challenger(200), floors=floors)
    assert line.startswith("mood: kept no champion, rejected v1: accuracy 0.5 is below")
    assert champion(registry) is None
    promote(make_challenger(250), floors=floors)
    assert champion(registry) == "2"


def test_a_wrong_floor_is_named_before_anything_is_registered(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    with pytest.raises(InputError, match="promotion.floors.mood.f1"):
        promote(make_challenger(200), floors={"mood": {"f1": 0.6}})
    assert versions(registry) == []


def test_an_unchanged_model_is_not_registered_again(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    first, second = make_challenger(200), make_challenger(150)
    promote(first)
    promote(second)
    assert promote(first) == "mood: kept champion v1: v1 is this model, promoted"
    assert promote(second) == "mood: kept champion v1: v2 is this model, rejected"
    assert len(versions(registry)) == 2


def test_an_interrupted_challenge_is_completed(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    promote(make_challenger(200))
    second = make_challenger(300)

    def stop(model: Result) -> Result:
        raise StoreError("the store is away")

    with pytest.raises(StoreError):
        promote(replace(second, test_digest="moved"), stop)
    assert DECISION_TAG not in versions(registry)[1].tags
    assert promote(second).startswith("mood: promoted v2")
    assert len(versions(registry)) == 2


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


def test_the_reason_names_what_makes_the_scores_doubtful(
    make_challenger: MakeChallenger, promote: Promote, registry: Registry
) -> None:
    doubts = "60 of 60 test texts are training texts too"
    line = promote(make_challenger(200, doubts=doubts))
    assert line == f"mood: promoted v1: the first, and better than the trivial model; but {doubts}"
    assert versions(registry)[0].tags[REASON_TAG].endswith(f"; but {doubts}")
    assert f"; but {doubts}" in promote(make_challenger(150, doubts=doubts))


@pytest.mark.parametrize("problem", [InputError("no label 'z'"), RunError("it died")])
def test_a_champion_that_cannot_be_measured_stays(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry, problem: Exception
) -> None:
    promote(make_challenger(200))

    def fail(model: Result) -> Result:
        raise problem

    line = promote(make_challenger(300, "second"), fail)
    assert f"could not be evaluated on its test set: {problem}" in line
    assert champion(registry) == "1"


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


def test_a_cheaper_model_that_is_not_worse_is_promoted(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    promote(make_challenger(200))
    assert "rejected" in promote(make_challenger(200))
    line = promote(make_challenger(200, parameters=5e5))
    assert line.startswith("mood: promoted v3: not worse and cheaper")
    assert "50% fewer parameters" in line


def test_retraining_with_other_seeds_sets_the_required_gain(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    promote(make_challenger(200))
    for n_right in (100, 200):
        promote(make_challenger(n_right))
    assert "within the variance of seeds" in promote(make_challenger(240))
    assert "promoted" in promote(make_challenger(240, recipe="another"))


def test_the_networks_of_a_model_set_the_required_gain(
    pipeline: Pipeline, promote: Promote, make_challenger: MakeChallenger
) -> None:
    def with_spread(n_right: int, deviation: float) -> Challenger:
        made = make_challenger(n_right, recipe=f"recipe {next(_numbers)}")
        scores = {"seeds/accuracy/mean": 0.5, "seeds/accuracy/deviation": deviation}
        scores |= {f"seeds/accuracy/network{number}": 0.5 for number in ("", "-2")}
        pipeline.store.log_metrics(made.tested.run_id, scores)
        return made

    promote(with_spread(200, 0.001))
    assert "within the variance of seeds" in promote(with_spread(260, 0.3))
    assert "promoted" in promote(with_spread(260, 0.001))


def test_a_champion_registered_outside_textmill_is_kept(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    promote(make_challenger(200))
    client: Any = registry.store.client
    client.create_model_version(registry.name_of("mood"), "s3://elsewhere/model")
    client.set_registered_model_alias(registry.name_of("mood"), "champion", "2")
    line = promote(make_challenger(300))
    assert "textmill did not register the champion v2" in line
    assert champion(registry) == "2"
