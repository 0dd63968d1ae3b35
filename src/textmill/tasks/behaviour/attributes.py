"""The groups of people of a bias report as a YAML file: terms, and templates that contain them.

Sources: Kiritchenko & Mohammad 2018, "Examining Gender and Race Bias in Two Hundred Sentiment
Analysis Systems"; Garg et al. 2019, "Counterfactual Fairness in Text Classification through
Robustness".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import Field

from textmill.config import Settings
from textmill.errors import InputError, listed
from textmill.tasks.behaviour.suite import Templates, Text, check_lists, check_slots, slots_of
from textmill.tasks.behaviour.yaml_tree import NodePath, YamlTree, read_tree

Groups = dict[str, tuple[Text, ...]]


class Attribute(Settings):
    """What groups of people differ in, such as their gender."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Its name in the report, and of the slot of its terms; lower case."""
    about: str = ""
    """What its terms are, for the report."""
    groups: Groups = Field(min_length=2)
    """Terms of each group, by its name. The first terms of all groups replace each other, and so
    on: there are as many of each group."""
    in_examples: Groups = {}
    """Further terms that are only looked for in test examples."""
    template: Templates = Field(min_length=1)
    """Texts with the slot of the attribute, and others."""
    max_cases: int = Field(100, gt=0, le=10_000)
    """Maximum number of templates with values of their slots, with one text for each group; of more
    combinations, as many are drawn."""
    examples: int = Field(200, ge=0, le=100_000)
    """Maximum number of test examples whose terms are replaced; 0: none."""


class _Attributes(Settings):
    """The content of a file."""

    slots: dict[str, tuple[Text, ...]] = {}
    attributes: list[Any] = Field(min_length=1)


@dataclass(frozen=True)
class Inventory:
    """The attributes of a file."""

    slots: Mapping[str, Sequence[str]]
    """The values of slots, by the name of their list."""
    attributes: tuple[Attribute, ...]
    places: Mapping[str, str]
    """FILE:LINE of each attribute, by name."""


def read_inventory(file: Path) -> Inventory:
    """Return the groups and templates of a file.

    Raises:
        InputError: it is missing or invalid; the message names the file, the line and the fix.
    """
    tree = read_tree(file, "slots and attributes")
    head = tree.validated(_Attributes)
    check_lists(tree, head.slots)
    attributes: dict[str, Attribute] = {}
    places: dict[str, str] = {}
    for number, entry in enumerate(head.attributes):
        place = ("attributes", number)
        called = entry.get("name") if isinstance(entry, dict) else None
        shown = called if isinstance(called, str) else f"attribute {number + 1}"
        attribute = tree.validated(Attribute, place, shown)
        if attribute.name in attributes or attribute.name in head.slots:
            other = "attribute" if attribute.name in attributes else "list of slots"
            raise tree.error(place, attribute.name, f"another {other} has this name: rename it")
        _check(tree, place, attribute, head.slots)
        attributes[attribute.name] = attribute
        places[attribute.name] = tree.place(place)
    return Inventory(head.slots, tuple(attributes.values()), places)


def _check(
    tree: YamlTree, place: NodePath, attribute: Attribute, slots: Mapping[str, Sequence[str]]
) -> None:
    """Raise InputError unless groups have as many different terms, and templates their slot."""

    def error(key: str, what: str) -> InputError:
        return tree.error((*place, key), attribute.name, what)

    names = listed(attribute.groups)
    if attribute.in_examples and {*attribute.in_examples} != {*attribute.groups}:
        raise error("in_examples", f"in_examples needs terms of the groups {names}, and no others")
    for key, groups in (("groups", attribute.groups), ("in_examples", attribute.in_examples)):
        sizes = {name: len(terms) for name, terms in groups.items()}
        if len({*sizes.values()}) > 1:
            counts = ", ".join(f"{name} has {size}" for name, size in sizes.items())
            raise error(key, f"{key} need as many terms of each group: {counts}")
        if 0 in sizes.values():
            raise error(key, f"{key} have no terms: add some")
    terms = chain(*attribute.groups.values(), *attribute.in_examples.values())
    repeated = [term for term, n in Counter(map(str.casefold, terms)).items() if n > 1]
    if repeated:
        raise error("groups", f"the term {repeated[0]!r} is there twice: remove one")
    for template in attribute.template:
        found = slots_of(template)
        if attribute.name not in found:
            raise error("template", f"{template!r} lacks the slot {{{attribute.name}}}: add it")
        others = [slot for slot in found if slot != attribute.name]
        check_slots(tree, (*place, "template"), attribute.name, others, slots)
