"""Texts that differ in a term of a group of people alone: templates, and test examples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from textmill.corpus.reading.line_ends import json_line
from textmill.errors import InputError
from textmill.files import parse_lines, write_atomic
from textmill.tasks.behaviour.attributes import Attribute, Inventory
from textmill.tasks.behaviour.group_text import GroupText
from textmill.tasks.behaviour.judging import Given, read_given
from textmill.tasks.behaviour.perturbations import lowercase
from textmill.tasks.behaviour.suite import by_column, slots_of
from textmill.tasks.behaviour.templates import Filled, draw_values, evenly, fill
from textmill.tasks.behaviour.whole_words import whole_words

FILE = "counterfactuals.jsonl"
TEMPLATES, EXAMPLES = "templates", "test examples"
MIN_EXAMPLES = 20
"""Minimum number of test examples with terms of an attribute; the mean over fewer says little."""


@dataclass(frozen=True)
class Counterfactual(GroupText):
    """A text as it is for each of several groups."""

    inputs: tuple[Given, ...]
    """One for each group."""


def counterfactuals(
    inventory: Inventory, columns: Sequence[str], examples: Sequence[Mapping[str, str]]
) -> Iterator[Counterfactual]:
    """Yield the counterfactuals of all attributes, with draws that depend on their names alone.

    Templates are in lower case if all test examples are.

    Args:
        inventory: groups and templates.
        columns: of an input.
        examples: the texts of the test examples, by column.

    Raises:
        InputError: a template does not fit the columns; the message names file and line.
    """
    is_lower = not any(text != text.lower() for one in examples for text in one.values())
    for attribute in inventory.attributes:
        rng = Random(attribute.name)
        yield from _of_templates(inventory, attribute, columns, is_lower, rng)
        changed = [*_changed(attribute, examples)] if attribute.examples else []
        if len(changed) >= MIN_EXAMPLES:
            yield from rng.sample(changed, min(attribute.examples, len(changed)))


def write_counterfactuals(found: Sequence[Counterfactual], folder: Path) -> None:
    """Write counterfactuals.jsonl, one object per text."""
    write_atomic(folder / FILE, "".join(json_line(asdict(one)) for one in found).encode())


def read_counterfactuals(folder: Path) -> list[Counterfactual]:
    """Return the counterfactuals of a folder of the cases step; none if the task has no groups."""
    file = folder / FILE
    if not file.exists():
        return []
    return [
        Counterfactual(
            **{
                **row,
                "groups": tuple(row["groups"]),
                "inputs": tuple(map(read_given, row["inputs"])),
            }
        )
        for row in parse_lines(file.read_bytes(), file)
    ]


def _of_templates(
    inventory: Inventory,
    attribute: Attribute,
    columns: Sequence[str],
    is_lower: bool,
    rng: Random,
) -> Iterator[Counterfactual]:
    slot, groups = attribute.name, attribute.groups
    first = next(iter(groups.values()))
    lists = {**inventory.slots, slot: [str(number) for number in range(len(first))]}
    shares = evenly(attribute.max_cases, len(attribute.template))
    for template, n in zip(attribute.template, shares, strict=True):
        try:
            texts = by_column(template, columns)
        except ValueError as error:
            raise InputError(f"{inventory.places[slot]}: {slot}: {error}.") from None
        for values in draw_values([*dict.fromkeys(slots_of(template))], lists, n, rng):
            number = int(values[slot])
            yield Counterfactual(
                slot,
                attribute.about,
                TEMPLATES,
                tuple(groups),
                " / ".join(texts.values()),
                first[number],
                tuple(
                    {
                        column: lowercase(filled, rng) if is_lower else filled
                        for column, filled in _filled(texts, {**values, slot: terms[number]})
                    }
                    for terms in groups.values()
                ),
            )


def _filled(texts: Mapping[str, str], values: Mapping[str, str]) -> Iterator[tuple[str, Filled]]:
    return ((column, fill(text, values)) for column, text in texts.items())


def _changed(
    attribute: Attribute, examples: Sequence[Mapping[str, str]]
) -> Iterator[Counterfactual]:
    """Yield the different test examples with terms of exactly one group.

    A text with terms of several groups is often about what they have to do with each other.
    """
    terms = [
        (*known, *attribute.in_examples.get(name, ())) for name, known in attribute.groups.items()
    ]
    where = {
        term.casefold(): (group, number)
        for group, known in enumerate(terms)
        for number, term in enumerate(known)
    }
    pattern = whole_words(where)

    def replaced(text: str, known: Sequence[str]) -> str:
        def alike(match: re.Match[str]) -> str:
            _, number = where.get(match[0].casefold(), (None, None))
            return match[0] if number is None else _alike(match[0], known[number])

        return pattern.sub(alike, text)

    for example in {tuple(one.items()): one for one in examples}.values():
        words = (word.casefold() for t in example.values() for word in pattern.findall(t))
        # The pattern takes Turkish letters for each other, which are not in other alphabets.
        found = [where[word] for word in words if word in where]
        if len({group for group, _ in found}) != 1:
            continue
        yield Counterfactual(
            attribute.name,
            attribute.about,
            EXAMPLES,
            tuple(attribute.groups),
            " / ".join(example.values()),
            ", ".join(sorted({terms[0][number] for _, number in found})),
            tuple(
                {column: Filled(replaced(text, known)) for column, text in example.items()}
                for known in terms
            ),
        )


def _alike(word: str, term: str) -> str:
    """Return a term in the case of the word that it replaces; a word replaces itself."""
    if word.casefold() == term.casefold():
        return word
    if word.islower():
        return term.lower()
    if word.isupper() and len(word) > 1:
        return term.upper()
    return f"{term[0].upper()}{term[1:]}"
