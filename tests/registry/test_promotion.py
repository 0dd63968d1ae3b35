"""Specifies what follows an evaluation: models are registered, and challenge the champion."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.registry.conftest import MakeChallenger, Promote, _numbers, champion, versions
from textmill.errors import InputError
from textmill.registry.challenger import Challenger
from textmill.registry.versions import DECISION_TAG, REASON_TAG, Registry
from textmill.tracking.pipeline import Pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import StoreError


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


def test_a_model_that_behaves_badly_is_never_champion(
    promote: Promote, make_challenger: MakeChallenger, registry: Registry
) -> None:
    floors = {"mood": {"behaviour/negation": 0.9}}
    bad = make_challenger(250, further={"behaviour/negation": 0.25})
    line = promote(bad, floors=floors)
    assert "rejected v1: behaviour/negation 0.25 is below the minimum of 0.9" in line
    promote(make_challenger(250, further={"behaviour/negation": 0.95}), floors=floors)
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


def test_the_reason_names_what_makes_the_scores_doubtful(
    make_challenger: MakeChallenger, promote: Promote, registry: Registry
) -> None:
    doubts = "60 of 60 test texts are training texts too"
    line = promote(make_challenger(200, doubts=doubts))
    assert line == f"mood: promoted v1: the first, and better than the trivial model; but {doubts}"
    assert versions(registry)[0].tags[REASON_TAG].endswith(f"; but {doubts}")
    assert f"; but {doubts}" in promote(make_challenger(150, doubts=doubts))


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
    assert "within the variance of trainings" in promote(make_challenger(240))
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
    assert "within the variance of trainings" in promote(with_spread(260, 0.3))
    assert "promoted" in promote(with_spread(260, 0.001))


@pytest.mark.parametrize(
    ("champion", "challenger", "said"),
    [
        (None, 0.3, "within the variance of trainings"),
        (0.3, None, "within the variance of trainings"),
        (0.001, 0.001, "promoted v2"),
        (None, None, "promoted v2"),
    ],
)
def test_the_cross_validation_of_either_model_sets_the_required_gain(
    promote: Promote,
    make_challenger: MakeChallenger,
    champion: float | None,
    challenger: float | None,
    said: str,
) -> None:
    for n_right, deviation in ((200, champion), (260, challenger)):
        made = make_challenger(n_right, recipe=f"recipe {next(_numbers)}")
        line = promote(replace(made, training_deviation=deviation))
    assert said in line


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
