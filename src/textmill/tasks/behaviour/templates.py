"""Texts with slots, `{name} liked the {dish}.`, and their fillings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

Place = tuple[int, int, str]
"""Begin and end of the value of a slot in a text, in characters, and the name of the slot."""
Values = Mapping[str, str]
"""The values of slots, by name."""

_ENUMERATED = 20
"""Combinations of a test, as a multiple of its cases, up to which all are listed."""
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Filled:
    """A text whose slots are filled, and where their values are."""

    text: str
    places: tuple[Place, ...] = ()
    correct: str | None = None
    """The text without its typing error; None: it has none."""

    def named(self, begin: int, end: int) -> str:
        """Return a part of the text, in lower case, with `{slot}` for each value that it contains.

        What models say of texts that differ in the values alone, or by a typing error, is compared
        in this form.
        """
        text = self.text if self.correct is None else self.correct
        parts, at = [], begin
        for first, last, slot in self.places:
            if begin <= first and last <= end:
                parts += [text[at:first].casefold(), f"{{{slot}}}"]
                at = last
        return "".join([*parts, text[at:end].casefold()])


def slots_in(template: str) -> list[str]:
    """Return the names of the slots of a template, each once."""
    return list(dict.fromkeys(_SLOT.findall(template)))


def fill(template: str, values: Values) -> Filled:
    """Return a template with values in place of its slots.

    Raises:
        KeyError: a slot has no value.
    """
    text, places, at = "", [], 0
    for match in _SLOT.finditer(template):
        text += template[at : match.start()]
        places.append((len(text), len(text) + len(values[match[1]]), match[1]))
        text += values[match[1]]
        at = match.end()
    return Filled(text + template[at:], tuple(places))


def values_of(given: Mapping[str, Filled]) -> dict[str, str]:
    """Return the values of the slots of several texts."""
    return {
        slot: text.text[begin:end] for text in given.values() for begin, end, slot in text.places
    }


def list_of(slot: str, lists: Mapping[str, Sequence[str]]) -> str | None:
    """Return the name of the list that a slot is filled from; None if there is none.

    `{place2}` is filled from the list `place`, unless it has a list of its own, as in CheckList.
    """
    names = (slot, slot.rstrip("0123456789"))
    return next((name for name in names if name in lists), None)


def draw_values(
    slots: Sequence[str], lists: Mapping[str, Sequence[str]], most: int, rng: Random
) -> Iterator[dict[str, str]]:
    """Yield different values of slots: all combinations, or that many of them, drawn at random.

    Slots that are filled from the same list have different values.

    Args:
        slots: the slots to fill; each has a list.
        lists: the values, by name of the list.
        most: maximum number of combinations.
        rng: draws the combinations.
    """
    names = [str(list_of(slot, lists)) for slot in slots]
    choices = [lists[name] for name in names]
    if math.prod(map(len, choices)) <= _ENUMERATED * most:
        found = [values for values in product(*choices) if _differ(names, values)]
        yield from _as_values(slots, rng.sample(found, min(most, len(found))))
        return
    drawn: dict[tuple[str, ...], None] = {}
    # Few of so many combinations are drawn twice; most have values that differ.
    for _ in range(_ENUMERATED * most):
        values = tuple(rng.choice(values) for values in choices)
        if _differ(names, values):
            drawn[values] = None
        if len(drawn) == most:
            break
    yield from _as_values(slots, drawn)


def evenly(total: int, n_parts: int) -> list[int]:
    """Return parts of a number that differ by at most one, larger ones first."""
    n, n_more = divmod(total, n_parts)
    return [n + (number < n_more) for number in range(n_parts)]


def _differ(names: Sequence[str], values: Sequence[str]) -> bool:
    """Return whether the values of each list are different."""
    return len({*zip(names, values, strict=True)}) == len(names)


def _as_values(slots: Sequence[str], found: Iterable[Sequence[str]]) -> Iterator[dict[str, str]]:
    return (dict(zip(slots, values, strict=True)) for values in found)
