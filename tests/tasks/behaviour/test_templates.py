"""Specifies how slots of templates are filled."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from textmill.tasks.behaviour.templates import (
    Filled,
    draw_values,
    fill,
    list_of,
    slots_in,
    values_of,
)

LISTS = {"name": ["Ann", "Bo", "Cy"], "dish": ["soup", "鱼"], "many": [str(n) for n in range(500)]}


def test_slots_are_replaced_by_their_values_and_their_places_are_known() -> None:
    filled = fill("{name} ate {dish}, {name}!", {"name": "Ann", "dish": "鱼"})
    assert filled == Filled("Ann ate 鱼, Ann!", ((0, 3, "name"), (8, 9, "dish"), (11, 14, "name")))
    assert values_of({"text": filled}) == {"name": "Ann", "dish": "鱼"}
    assert fill("Nothing {to fill} { in }.", {}) == Filled("Nothing {to fill} { in }.")
    assert slots_in("{b} {a} {b}") == ["b", "a"]


@pytest.mark.parametrize(
    ("begin", "end", "named"),
    [(0, 3, "{name}"), (0, 9, "{name} ate {dish}"), (4, 9, "ate {dish}"), (0, 2, "an"), (1, 1, "")],
)
def test_a_part_of_a_text_has_the_names_of_the_slots_that_it_contains(
    begin: int, end: int, named: str
) -> None:
    assert fill("{name} ATE {dish}", {"name": "Ann", "dish": "鱼"}).named(begin, end) == named


def test_a_numbered_slot_is_filled_from_the_list_without_the_number() -> None:
    lists = {"place": ["a"], "item2": ["b"]}
    assert [list_of(slot, lists) for slot in ("place", "place2", "item2", "item", "x3")] == [
        "place",
        "place",
        "item2",
        None,
        None,
    ]


def test_all_combinations_are_listed_if_they_are_few() -> None:
    found = list(draw_values(["name", "dish"], LISTS, 100, Random(0)))
    pairs = {(values["name"], values["dish"]) for values in found}
    assert len(found) == len(pairs) == 6
    assert list(draw_values([], LISTS, 100, Random(0))) == [{}]


def test_slots_of_one_list_have_different_values() -> None:
    found = list(draw_values(["name", "name2", "dish"], LISTS, 100, Random(0)))
    assert len(found) == 12
    assert all(values["name"] != values["name2"] for values in found)
    assert not list(draw_values(["dish", "dish2", "dish3"], LISTS, 100, Random(0)))


@pytest.mark.parametrize("slots", [["name", "dish"], ["many", "many2", "name"]])
def test_of_more_combinations_as_many_different_ones_are_drawn(slots: list[str]) -> None:
    first, again, other = (
        [tuple(v.values()) for v in draw_values(slots, LISTS, 4, Random(seed))]
        for seed in ("a", "a", "b")
    )
    assert len({*first}) == 4
    assert first == again != other


def test_draws_favour_no_value() -> None:
    drawn = Counter(v["name"] for v in draw_values(["name", "many"], LISTS, 300, Random(0)))
    assert all(70 < n < 130 for n in drawn.values())
