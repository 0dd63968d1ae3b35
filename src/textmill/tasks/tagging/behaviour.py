"""What behaviour tests expect of a tagger: which slots of a text are entities, and their types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textmill.errors import listed
from textmill.tasks.behaviour.judging import Answer, Given
from textmill.tasks.tagging.examples import Spec
from textmill.tasks.tagging.iob2 import types_in

Entity = list[int | str]
"""Begin, end and type."""

check_label = probability = None
"""Entities have no probabilities."""


def expected(spec: Spec, expect: Any, given: Given) -> list[Entity]:
    """Return the entities: the values of the slots that `expect` gives a type, and no others.

    Raises:
        ValueError: it is no mapping, the text has no such slot, or a type does not occur in
            training.
    """
    if not isinstance(expect, dict):
        raise ValueError("expect maps the slots of entities to their types, as {name: PER}")
    places, known = given["text"].places, sorted(types_in(spec.labels))
    for slot, name in expect.items():
        if slot not in {place[2] for place in places}:
            raise ValueError(f"the text has no slot {{{slot}}}")
        if name not in known:
            raise ValueError(
                f"the entity type {name!r} does not occur in the training data: use one of "
                f"{listed(known)}"
            )
    return [[begin, end, str(expect[slot])] for begin, end, slot in places if slot in expect]


def is_right(answer: Answer, expected: Sequence[Entity]) -> bool:
    """Return whether all entities are the expected ones."""
    found = [[one["start"], one["end"], one["type"]] for one in answer["entities"]]
    return sorted(found) == sorted(map(list, expected))


def decision(answer: Answer, given: Given) -> list[list[str]]:
    """Return the entities in their order, as type and text."""
    text = given["text"]
    return [[one["type"], text.named(one["start"], one["end"])] for one in answer["entities"]]


def show(answer: Answer) -> str:
    """Return the entities with their types."""
    return ", ".join(f"{one['text']} ({one['type']})" for one in answer["entities"]) or "none"
