import re
from dataclasses import fields

import pytest

from textmill.sample.language.names import HELD_OUT_REGIONS
from textmill.sample.language.world import Company, Entity, Product, Town, build_world

TASKS = ["topic", "sentiment", "ner", "translation-de", "translation-zh"]


def entities_of(town: Town) -> list[Entity]:
    """Return everything named in the town, its region included."""
    values = [getattr(town, field.name) for field in fields(town)]
    single = [value for value in values if isinstance(value, Entity)]
    pairs = [entity for value in values if isinstance(value, tuple) for entity in value]
    return [town.place.region, *single, *pairs, *town.people.values()]


def names_of(world) -> set[str]:
    return {e.names["en"] for town in world.towns for e in entities_of(town)}


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


@pytest.mark.parametrize("language", ["de", "zh"])
def test_every_name_has_a_unique_translation(world, language):
    entities = {entity for town in world.towns for entity in entities_of(town)}
    translations = [entity.names[language] for entity in entities]
    assert len(set(translations)) == len(translations)


def test_all_names_except_companies_and_products_are_written_in_chinese(world):
    latin = {
        type(entity)
        for town in world.towns
        for entity in entities_of(town)
        if re.search(r"[^\u4e00-\u9fff·《》]", entity.names["zh"])
    }
    assert latin == {Company, Product}


def test_about_half_of_the_first_companies_are_named_after_their_director(world):
    directors = [town.people["director"].family_names["en"] for town in world.towns]
    companies = [town.companies[0].names["en"] for town in world.towns]
    alike = [c for c, family in zip(companies, directors, strict=True) if c.startswith(family)]
    assert 16 < len(alike) < 32
    assert set(alike) & set(directors)  # some have no "Group" or the like to tell them apart


def test_every_company_makes_one_product(world):
    for town in world.towns:
        assert [thing.maker for thing in town.products] == list(town.companies)


def test_about_a_quarter_of_the_towns_is_held_out(world):
    train, test = world.part(is_held_out=False), world.part(is_held_out=True)
    assert {town.place.region.names["en"] for town in test.towns} == set(HELD_OUT_REGIONS)
    assert (len(train.towns), len(test.towns)) == (36, 12)


def english_of(row) -> str:
    return row.get("text") or row.get("source") or " ".join(row["tokens"])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("split", "is_held_out"), [("train", False), ("test", True)])
def test_labelled_examples_contain_no_names_of_the_other_split(
    sample, world, task, split, is_held_out
):
    others = world.part(is_held_out=not is_held_out)
    names = sorted(names_of(others) | families_of(others), key=len, reverse=True)
    foreign = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
    found = [foreign.findall(english_of(row)) for row in sample.rows(task, split)]
    assert not any(found)


@pytest.mark.parametrize("task", TASKS)
def test_labelled_examples_contain_many_names_of_their_own_split(sample, world, task):
    own = world.part(is_held_out=True)
    names = names_of(own) | families_of(own)
    texts = [english_of(row) for row in sample.rows(task, "test")]
    assert sum(any(name in text for name in names) for text in texts) > 0.8 * len(texts)
