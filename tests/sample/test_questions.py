"""Specifies the sample questions."""

from __future__ import annotations

from random import Random

import pytest

from textmill.sample.language.world import World
from textmill.sample.questions import FACTS, write_question


@pytest.mark.parametrize("is_test", [False, True])
def test_answers_are_where_they_should_be(world: World, is_test: bool) -> None:
    part = world.part(is_held_out=is_test)
    rows = [write_question(part, Random(seed), is_test=is_test) for seed in range(300)]
    for row in rows:
        for text, start in zip(*row["answers"].values(), strict=True):
            assert row["context"].startswith(text, start)
    answered = sum(bool(row["answers"]["text"]) for row in rows)
    assert 0.65 < answered / len(rows) < 0.85


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_answers_its_questions_and_they_do_not_contain_the_answer(fact) -> None:
    for question, slot in fact.questions:
        assert f"{{{slot}}}" in fact.statement
        assert f"{{{slot}}}" not in question


def test_contexts_do_not_answer_by_a_unique_form(world: World) -> None:
    """Many contexts have a second statement of the same form, about the other town."""
    rows = [write_question(world, Random(seed), is_test=False) for seed in range(200)]
    shares = [row["context"].count("shot") > 1 for row in rows if "shot" in row["question"]]
    assert sum(shares) > 2
