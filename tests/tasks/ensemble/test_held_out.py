"""Specifies which examples a baseline's decision is fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from textmill.tasks.ensemble.held_out import decide_on_held_out


def parts_of(train: Sequence[str], is_grouped: bool) -> tuple[list[str], list[str]]:
    """Return what a model is fitted on, and what is held out."""
    parts: list[list[str]] = []

    def scores(rest: list[Any], others: Sequence[Any]) -> list[float]:
        parts.extend([rest, [*others]])
        return [0.0] * len(others)

    def fit_decision(spec: str, scores: Sequence[float], examples: Sequence[str]) -> str:
        assert len(scores) == len(examples)
        return f"{spec}, decided"

    group = (lambda example: example[0]) if is_grouped else None
    assert decide_on_held_out("spec", train, scores, fit_decision, group) == "spec, decided"
    return parts[0], parts[1]


def test_every_tenth_example_is_held_out() -> None:
    train = [f"{number:02}" for number in range(25)]
    rest, held_out = parts_of(train, is_grouped=False)
    assert held_out == ["09", "19"]
    assert sorted([*rest, *held_out]) == train


def test_examples_of_a_group_are_held_out_together() -> None:
    train = [f"{letter}{number}" for number in range(3) for letter in "abcdefghijk"]
    rest, held_out = parts_of(train, is_grouped=True)
    assert held_out == ["j0", "j1", "j2"]
    assert sorted([*rest, *held_out]) == sorted(train)


@pytest.mark.parametrize("train", [[], ["a"] * 9])
def test_of_few_examples_none_are_held_out(train: list[str]) -> None:
    assert decide_on_held_out("spec", train, pytest.fail, pytest.fail) == "spec"
