import re
from dataclasses import fields

import pytest

from textmill.sample.names import HELD_OUT_REGIONS
from textmill.sample.world import Entity, Town, build_world


def entities_of(town: Town) -> list[Entity]:
    """Return everything named in the town, its region included."""
    values = [getattr(town, field.name) for field in fields(town)]
    single = [value for value in values if isinstance(value, Entity)]
    pairs = [entity for value in values if isinstance(value, tuple) for entity in value]
    return [town.place.region, *single, *pairs, *town.people.values()]


def names_of(world) -> set[str]:
    return {name for town in world.towns for e in entities_of(town) for name in e.names.values()}


def families_of(world) -> set[str]:
    return {p.family_names["en"] for town in world.towns for p in town.people.values()}


def test_the_world_is_the_same_on_every_call(world):
    assert [sorted(e.names["en"] for e in entities_of(t)) for t in world.towns] == [
        sorted(e.names["en"] for e in entities_of(t)) for t in build_world().towns
    ]


def test_every_name_belongs_to_one_entity(world):
    entities = {entity for town in world.towns for entity in entities_of(town)}
    assert len(names_of(world)) == len(entities) > 900
    assert len(families_of(world)) == 7 * len(world.towns)


def test_every_company_makes_one_product(world):
    for town in world.towns:
        assert [thing.maker for thing in town.products] == list(town.companies)


def test_about_a_quarter_of_the_towns_is_held_out(world):
    train, test = world.part(is_held_out=False), world.part(is_held_out=True)
    assert {town.place.region.names["en"] for town in test.towns} == set(HELD_OUT_REGIONS)
    assert (len(train.towns), len(test.towns)) == (36, 12)


@pytest.mark.parametrize("task", ["topic", "sentiment"])
@pytest.mark.parametrize(("split", "is_held_out"), [("train", False), ("test", True)])
def test_labelled_examples_name_nothing_from_the_other_side(
    sample, world, task, split, is_held_out
):
    others = world.part(is_held_out=not is_held_out)
    names = sorted(names_of(others) | families_of(others), key=len, reverse=True)
    foreign = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
    found = [foreign.findall(row["text"]) for row in sample.rows(task, split)]
    assert not any(found)


@pytest.mark.parametrize("task", ["topic", "sentiment"])
def test_labelled_examples_are_full_of_names_from_their_own_side(sample, world, task):
    names = names_of(world.part(is_held_out=True))
    texts = [row["text"] for row in sample.rows(task, "test")]
    assert sum(any(name in text for name in names) for text in texts) > 0.8 * len(texts)
