"""The fictional world of all sample texts: its towns, people and organizations.

The world is the same for every seed, and consistent: a person has one home and one job, a team one
town, a product one maker. A town is held out of the labelled training examples with everything in
it, so that test examples about it contain only unseen names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import ClassVar

from textmill.sample.language import names
from textmill.sample.language.translated import Names, named, named_restaurant, titled


@dataclass(frozen=True, eq=False)
class Entity:
    """An entity with a name."""

    entity_type: ClassVar[str] = "MISC"
    """Label of its name in named entity recognition: PER, LOC, ORG or MISC."""

    names: Names


class Region(Entity):
    """A region with several towns."""

    entity_type = "LOC"


@dataclass(frozen=True, eq=False)
class Place(Entity):
    """A town, or a sight near it."""

    entity_type: ClassVar[str] = "LOC"
    region: Region


class Organization(Entity):
    """A company, team, institute, hotel or restaurant."""

    entity_type = "ORG"


@dataclass(frozen=True, eq=False)
class Company(Organization):
    """A manufacturer of products."""

    trade: Names


@dataclass(frozen=True, eq=False)
class Product(Entity):
    """A product of a company."""

    maker: Company
    kind: Names


@dataclass(frozen=True, eq=False)
class Person(Entity):
    """A person with a job."""

    entity_type: ClassVar[str] = "PER"
    family_names: Names
    is_woman: bool
    job: Names


@dataclass(frozen=True, eq=False)
class Work(Entity):
    """A film or a book."""

    year: int
    """Year of release."""


@dataclass(frozen=True, eq=False)
class Festival(Entity):
    """A yearly event."""

    month: Names


@dataclass(frozen=True, eq=False)
class Town:
    """A town with its people, who live and work there, organizations and works."""

    place: Place
    sight: Place
    team: Organization
    """The captain's team."""
    institute: Organization
    """The scientist's employer."""
    hotel: Organization
    restaurant: Organization
    companies: tuple[Company, Company]
    """The first is run by the director, and often named after the director's family."""
    products: tuple[Product, Product]
    """One product of each company."""
    people: Mapping[str, Person]
    """By role: the keys of `JOBS`."""
    film: Work
    """The filmmaker's film."""
    book: Work
    """The novelist's book."""
    festival: Festival


JOBS = {
    "mayor": "mayor",
    "captain": "captain",
    "director": "managing director",
    "scientist": "researcher",
    "filmmaker": "film director",
    "novelist": "novelist",
    "guide": "tour guide",
}
"""The people of every town, by role, with their English job titles."""

FAMILY_BUSINESS_SHARE = 0.5
"""Share of towns whose first company is named after the family of its director."""


@dataclass(frozen=True)
class World:
    """The towns that texts may be about."""

    towns: tuple[Town, ...]

    def part(self, *, is_held_out: bool) -> World:
        """Return the part of the labelled test examples, or that of the training examples."""
        return World(
            tuple(
                town
                for town in self.towns
                if (town.place.region.names["en"] in names.HELD_OUT_REGIONS) == is_held_out
            )
        )


def build_world() -> World:
    """Return the whole world, the same on every call."""
    supply = _NameSupply()
    return World(
        tuple(
            _build_town(name, region, supply)
            for region_name, town_names in names.REGIONS.items()
            for region in [Region(named(region_name))]
            for name in town_names.split()
        )
    )


class _NameSupply:
    """Unused names, each list in random order."""

    def __init__(self) -> None:
        rng = Random("textmill world")

        def shuffled(forms: Iterator[Names]) -> Iterator[Names]:
            unused = list(forms)
            rng.shuffle(unused)
            return iter(unused)

        def joined(stems: tuple[str, ...], endings: tuple[str, ...]) -> Iterator[Names]:
            return (named("{}{}", *parts) for parts in product(stems, endings))

        def filled(forms: tuple[str, ...], stems: tuple[str, ...]) -> Iterator[Names]:
            return (named(form, stem) for form, stem in product(forms, stems))

        self.rng = rng
        self.families = shuffled(joined(names.FAMILY_STEMS, names.FAMILY_ENDINGS))
        self.companies = shuffled(joined(names.COMPANY_STEMS, names.COMPANY_ENDINGS))
        self.products = shuffled(joined(names.PRODUCT_STEMS, names.PRODUCT_ENDINGS))
        titles = product(names.TITLE_ADJECTIVES, names.TITLE_NOUNS)
        self.titles = shuffled(titled(*words) for words in titles)
        self.hotels = shuffled(filled(names.HOTEL_FORMS, names.HOTEL_STEMS))
        self.sights = shuffled(filled(names.SIGHT_FORMS, names.SIGHT_STEMS))
        restaurants = product(names.RESTAURANT_STEMS, names.RESTAURANT_ENDINGS)
        self.restaurants = shuffled(named_restaurant(*words) for words in restaurants)


def _build_town(name: str, region: Region, supply: _NameSupply) -> Town:
    rng = supply.rng
    place = Place(named(name), region)

    def named_after_town(forms: tuple[str, ...]) -> Names:
        return named(rng.choice(forms), place.names)

    people = {role: _build_person(role, supply) for role in JOBS}
    # If a company is named after its director, the type of the name depends on the context.
    is_family_business = rng.random() < FAMILY_BUSINESS_SHARE
    founder = people["director"].family_names if is_family_business else next(supply.companies)
    first, second = (_build_product(stem, supply) for stem in (founder, next(supply.companies)))
    return Town(
        place=place,
        sight=Place(next(supply.sights), region),
        team=Organization(named_after_town(names.TEAM_FORMS)),
        institute=Organization(named_after_town(names.INSTITUTE_FORMS)),
        hotel=Organization(next(supply.hotels)),
        restaurant=Organization(next(supply.restaurants)),
        companies=(first.maker, second.maker),
        products=(first, second),
        people=people,
        film=Work(next(supply.titles), rng.randint(1995, 2024)),
        book=Work(next(supply.titles), rng.randint(1995, 2024)),
        festival=Festival(named_after_town(names.FESTIVAL_FORMS), named(rng.choice(names.MONTHS))),
    )


def _build_product(company_stem: Names, supply: _NameSupply) -> Product:
    trade = supply.rng.choice(list(names.PRODUCTS_BY_TRADE))
    kind = supply.rng.choice(names.PRODUCTS_BY_TRADE[trade].split())
    company_names = named(supply.rng.choice(names.COMPANY_FORMS), company_stem)
    return Product(next(supply.products), Company(company_names, named(trade)), named(kind))


def _build_person(role: str, supply: _NameSupply) -> Person:
    is_woman = supply.rng.random() < 0.5
    first = supply.rng.choice(names.WOMEN if is_woman else names.MEN)
    family = next(supply.families)
    job = named(JOBS[role])
    if is_woman:
        job = {**job, "de": job["de"] + "in"}
    return Person(
        names=named("{} {}", first, family), family_names=family, is_woman=is_woman, job=job
    )
