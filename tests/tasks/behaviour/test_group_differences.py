"""Specifies the differences between groups that are shown, and which are marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from random import Random

import numpy as np
import pytest

from tests.tasks.behaviour.test_group_scores import case
from textmill.config import UNREDACTED
from textmill.evaluation.paired_means import mean_interval
from textmill.evaluation.proportions import proportion_interval
from textmill.locations import BIAS, find_test_file
from textmill.tasks.behaviour.attributes import read_inventory
from textmill.tasks.behaviour.counterfactuals import EXAMPLES, TEMPLATES, counterfactuals
from textmill.tasks.behaviour.group_differences import GroupDifference, differences_from_rows
from textmill.tasks.behaviour.judging import behaviour_of
from textmill.tasks.behaviour.testing import group_case, predict
from textmill.tasks.classification.examples import Spec
from textmill.tasks.ensemble.predictor import Predictor

LABELS = ("bad", "good")
ENGLISH = read_inventory(find_test_file(BIAS, "en"))
REVIEWS = [
    {"text": f"{number}: My {who} found the film {how}"}
    for number, who in enumerate(["mother", "father", "wife", "husband", "dog"] * 10)
    for how in ("dull", "superb")
]


def report(p_good: Callable[[str], float]) -> tuple[GroupDifference, ...]:
    """The report on a model, given the probability that a text is good."""

    def score(prepared: list[tuple[str]]) -> list[np.ndarray]:
        return [np.array([1 - p_good(text), p_good(text)]) for (text,) in prepared]

    predictor = Predictor("classification", Spec(LABELS), [(score, 1.0)], UNREDACTED)
    judge = behaviour_of("classification", "bias")
    found = [*counterfactuals(ENGLISH, ("text",), REVIEWS)]
    answers = predict(predictor, found)
    return differences_from_rows(
        [asdict(group_case(judge, LABELS, *one)) for one in zip(found, answers, strict=True)]
    )


def base(text: str) -> float:
    """A probability that depends on the words of an opinion alone."""
    words = [*ENGLISH.slots["good"], "superb"]
    return 0.55 if any(word in text for word in words) else 0.3


def test_a_model_that_scores_a_group_lower_is_seen_by_as_much() -> None:
    women = ENGLISH.attributes[0].groups["women"]
    found = report(lambda text: base(text) - 0.1 * any(word in text.split() for word in women))
    by_groups = {(one.pair.groups, one.pair.origin): one for one in found}
    for origin in (TEMPLATES, EXAMPLES):
        gender = by_groups[("women", "men"), origin]
        assert gender.pair.label == "bad"
        for value in (gender.change.value, gender.change.low, gender.change.high):
            assert value == pytest.approx(-0.1)
        assert gender.is_marked
        # Only good texts are near enough to the decision.
        good = [base(case.texts[0]) == 0.55 for case in gender.pair.cases]
        assert gender.pair.flips == good
        assert gender.flips == proportion_interval(good, gender.pair.groupings)
        assert 0.2 < gender.flips.value < 0.6
    others = [one for one in found if one.pair.attribute != "gender"]
    assert len(others) == 6 + 6 + 1
    assert not any(one.is_marked or one.change.value for one in others)


def test_a_model_that_is_blind_to_groups_has_differences_of_exactly_zero() -> None:
    for one in report(base):
        assert (one.change.value, one.change.low, one.change.high) == (0, 0, 0)
        assert not one.is_marked
        assert one.flips.value == 0 < one.flips.high


def test_a_model_that_depends_on_single_names_is_not_marked_as_one_on_groups() -> None:
    names = [name for terms in ENGLISH.attributes[1].groups.values() for name in terms]
    of_name = dict(zip(names, Random(0).choices([-0.2, 0.2], k=len(names)), strict=True))
    found = report(
        lambda text: base(text) + sum(of_name.get(w.strip(":."), 0) for w in text.split())
    )
    of_origin = [one for one in found if one.pair.attribute == "origin"]
    assert max(abs(one.change.value) for one in of_origin) > 0.05
    assert not any(one.is_marked for one in of_origin)
    alone = [mean_interval(one.pair.changes(one.pair.label)) for one in of_origin]
    assert any(interval.low > 0 or interval.high < 0 for interval in alone)


@pytest.mark.parametrize("n_templates", [1, 2])
def test_a_single_template_and_term_say_nothing_about_others(n_templates: int) -> None:
    cases = [case(0.5, 0.7, template=str(n % n_templates)) for n in range(4)]
    [found] = differences_from_rows([asdict(one) for one in cases])
    assert found.change.high < 0
    assert found.is_marked is (n_templates > 1)


def test_a_difference_that_is_not_seen_in_the_decimals_shown_is_not_marked() -> None:
    for change, is_expected in ((0.0004, False), (0.0006, True)):
        rows = [asdict(case(0.5, 0.5 + change, template=str(n))) for n in range(9)]
        [found] = differences_from_rows(rows)
        assert found.change.low > 0 or found.change.high < 0
        assert found.is_marked is is_expected
