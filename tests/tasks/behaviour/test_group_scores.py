"""Specifies what is kept of a model's answers to texts of groups, and its largest differences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from textmill.tasks.behaviour.group_scores import (
    GROUP_SCORES,
    GroupCase,
    cases_from_rows,
    metrics_of_pairs,
    pairs_of,
    write_group_scores,
)


def case(
    *p_good: float, template: str = "t", term: str = "x", origin: str = "templates"
) -> GroupCase:
    """A case of as many groups, of a model with three labels."""
    probabilities = tuple({"bad": 0.9 - p, "good": p, "other": 0.1} for p in p_good)
    return GroupCase(
        attribute="animal",
        about="pets",
        origin=origin,
        groups=("cats", "dogs", "birds")[: len(p_good)],
        template=template,
        term=term,
        texts=tuple(f"{template} {term} {group}" for group in range(len(p_good))),
        probabilities=probabilities,
        decisions=tuple("good" if p > 0.45 else "bad" for p in p_good),
    )


def test_each_pair_of_groups_has_the_changes_from_the_first_to_the_second() -> None:
    cases = [case(0.5, 0.4, 0.7), case(0.6, 0.3, 0.7, template="u")]
    pairs = [*pairs_of(cases)]
    assert [pair.groups for pair in pairs] == [
        ("cats", "dogs"),
        ("cats", "birds"),
        ("dogs", "birds"),
    ]
    dogs, birds, _ = pairs
    assert dogs.changes("good") == pytest.approx([-0.1, -0.3])
    assert dogs.changes("bad") == pytest.approx([0.1, 0.3])
    assert birds.changes("good") == pytest.approx([0.2, 0.1])
    assert (dogs.flips, birds.flips) == ([True, True], [False, False])
    assert dogs.largest == ("u x 0", "u x 1")
    assert birds.largest == ("t x 0", "t x 2")


def test_the_label_is_that_of_the_largest_mean_change_and_the_first_of_equal_ones() -> None:
    [pair] = pairs_of([case(0.2, 0.3), case(0.7, 0.4)])
    assert pair.label == "bad"  # 0.9 - p, in the opposite direction
    probabilities = ({"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.4, "b": 0.05, "c": 0.55})
    values = {**vars(case(0.2, 0.3)), "probabilities": probabilities}
    [pair] = pairs_of([GroupCase(**values)])
    assert pair.label == "c"


def test_templates_and_test_examples_are_apart_and_grouped_where_there_are_several() -> None:
    cases = [
        case(0.1, 0.2, template="t", term="x"),
        case(0.1, 0.2, template="t", term="y"),
        case(0.1, 0.2, template="an example", origin="test examples"),
    ]
    templates, examples = pairs_of(cases)
    assert (templates.origin, len(templates.cases)) == ("templates", 2)
    assert templates.groupings == [["x", "y"]]
    assert (examples.origin, examples.groupings) == ("test examples", [])


def test_metrics_are_the_largest_over_all_pairs() -> None:
    cases = [case(0.5, 0.4, 0.7), case(0.6, 0.3, 0.7, template="u")]
    assert metrics_of_pairs(pairs_of(cases)) == pytest.approx(
        {"bias/max_difference": 0.35, "bias/max_flips": 1.0}
    )


def test_they_are_read_as_written(tmp_path: Path) -> None:
    cases = [case(0.5, 0.4, 0.7), case(0.5, 0.4, origin="test examples")]
    write_group_scores(cases, tmp_path)
    rows = map(json.loads, (tmp_path / GROUP_SCORES).read_text().splitlines())
    assert cases_from_rows(rows) == cases
