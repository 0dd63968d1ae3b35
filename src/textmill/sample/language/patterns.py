"""Sentence patterns: text with slots, realised as spans labelled with entity types.

A pattern is written as `{captain} [won|lost] in {place}.` Braces contain a slot of the scene,
square brackets a choice of words. A scene fills slots with related entities, so that every sentence
is true in the world.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

from textmill.sample.language.names import MONTHS, WEEKDAYS, words
from textmill.sample.language.world import JOBS, Entity, Person, World

_PART = re.compile(r"\{(?P<slot>\w+)\}|\[(?P<choice>[^]]*)\]")


class Translation(NamedTuple):
    """One sentence pattern by language."""

    en: str
    de: str
    zh: str


@dataclass(frozen=True)
class Span:
    """A span of text, and its entity type if it is a name."""

    text: str
    entity: str | None = None


Scene = Mapping[str, Span]
"""Fillers by slot."""


def plain(spans: Iterable[Span]) -> str:
    """Return the text of the spans."""
    return "".join(span.text for span in spans)


def realise(pattern: str, scene: Scene, rng: Random) -> list[Span]:
    """Return the pattern with its slots filled from the scene and its choices drawn."""
    spans = []
    end = 0
    for part in _PART.finditer(pattern):
        spans.append(Span(pattern[end : part.start()]))
        if part["slot"]:
            spans.append(scene[part["slot"]])
        else:
            spans.append(Span(rng.choice(part["choice"].split("|"))))
        end = part.end()
    spans.append(Span(pattern[end:]))
    return [span for span in spans if span.text]


def sentences(parts: Sequence[Sequence[Span]]) -> list[Span]:
    """Join sentences by spaces, each starting with a capital letter."""
    spans: list[Span] = []
    for part in parts:
        if spans:
            spans.append(Span(" "))
        first = part[0]
        spans += [replace(first, text=first.text[0].upper() + first.text[1:]), *part[1:]]
    return spans


def draw_scene(world: World, rng: Random) -> dict[str, Span]:
    """Return fillers for all slots, about one town and a second one to play or trade with."""
    here, there = rng.sample(world.towns, 2)
    bought = rng.choice(here.products)
    abroad = rng.choice(there.products)
    scene = {
        "place": _name(here.place),
        "region": _name(here.place.region),
        "sight": _name(here.sight),
        "team": _name(here.team),
        "institute": _name(here.institute),
        "hotel": _name(here.hotel),
        "restaurant": _name(here.restaurant),
        "film": _name(here.film),
        "film_year": Span(str(here.film.year)),
        "book": _name(here.book),
        "book_year": Span(str(here.book.year)),
        "festival": _name(here.festival),
        "festival_month": Span(here.festival.month["en"]),
        "product": _name(bought),
        "kind": Span(bought.kind["en"]),
        "company": _name(bought.maker),
        "trade": Span(bought.maker.trade["en"]),
        "employer": _name(here.companies[0]),
        "away": _name(there.place),
        "rival": _name(there.team),
        "competitor": _name(abroad.maker),
        "other_product": _name(abroad),
        **_numbers(rng),
    }
    for role in JOBS:
        scene |= _person(role, here.people[role])
    return scene | _person("visitor", there.people[rng.choice(list(JOBS))])


def _name(entity: Entity) -> Span:
    return Span(entity.names["en"], entity.entity_type)


def _person(slot: str, person: Person) -> dict[str, Span]:
    return {
        slot: _name(person),
        f"{slot}_family": Span(person.family_names["en"], person.entity_type),
        f"{slot}_she": Span("she" if person.is_woman else "he"),
        f"{slot}_her": Span("her" if person.is_woman else "his"),
        f"{slot}_job": Span(person.job["en"]),
    }


def _numbers(rng: Random) -> dict[str, Span]:
    month = rng.choice(MONTHS)
    values = {
        "weekday": rng.choice(WEEKDAYS),
        "month": month,
        "year": str(rng.randint(1995, 2024)),
        "date": f"{rng.randint(1, 28)} {month} {rng.randint(2010, 2024)}",
        "time": f"{rng.randint(7, 22)}:{rng.choice(('00', '15', '30', '45'))}",
        "count": str(rng.randint(12, 95)),
        "few": rng.choice(words("two three four five six seven")),
        "thousands": f"{rng.randint(2, 60)},{rng.randint(0, 9)}00",
        "percent": f"{rng.randint(2, 40)} per cent",
        "price": rng.choice(("£{}", "${}", "€{}")).format(rng.randint(6, 480)),
        "millions": f"{rng.randint(2, 90)} million",
        "score": f"{rng.randint(2, 5)}-{rng.randint(0, 1)}",
        "version": f"{rng.randint(1, 9)}.{rng.randint(0, 9)}.{rng.randint(0, 9)}",
    }
    return {slot: Span(value) for slot, value in values.items()}
