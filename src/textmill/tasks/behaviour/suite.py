"""The behaviour tests of a task as a YAML file: lists of values for slots, and tests.

Source: Ribeiro et al. 2020, "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from textmill.config import Settings
from textmill.errors import listed
from textmill.tasks.behaviour.perturbations import Perturbation
from textmill.tasks.behaviour.templates import list_of, slots_in
from textmill.tasks.behaviour.yaml_tree import NodePath, YamlTree, read_tree

MEAN = "mean"
"""The name of the mean over all tests, which no test can have."""
Text = Annotated[str, Field(min_length=1)]
Template = Text | dict[str, Text]
"""A text with slots; one for each column if inputs have several."""


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Templates = Annotated[tuple[Template, ...], BeforeValidator(_as_list)]


class BehaviourTest(Settings):
    """What all kinds of tests have."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    """Its name in metrics and floors; lower case."""
    about: str = ""
    """What it shows, for the report."""
    max_cases: int = Field(100, gt=0, le=10_000)
    """Maximum number of cases; of more combinations of values, as many are drawn."""

    @property
    def templates(self) -> tuple[Template, ...]:
        """All its templates."""
        return (*getattr(self, "template", ()), *getattr(self, "changed", ()))

    @property
    def max_examples(self) -> int | None:
        """Number of test examples that it changes; None: it has templates."""
        return None

    @model_validator(mode="after")
    def _name_is_free(self) -> Self:
        if self.name == MEAN:
            raise ValueError(f"the name {MEAN!r} is that of the mean over all tests: rename it.")
        return self


class MinimumTest(BehaviourTest):
    """A minimum functionality test (MFT): texts with a known answer."""

    kind: Literal["minimum"]
    template: Templates = Field(min_length=1)
    expect: Any
    """The right answer, in the form of its kind of task."""


class ChangingTest(BehaviourTest):
    """A test of what the change of a text does to its answer."""

    template: Templates = ()
    changed: Templates = ()
    """The changed texts, one for each template, with the same values of slots."""
    examples: int | None = Field(None, gt=0)
    """Number of test examples to change, instead of templates. In `changed`, their columns are
    slots, such as {text}."""

    @property
    def max_examples(self) -> int | None:
        """Number of test examples that it changes; None: it has templates."""
        return self.examples

    @property
    def starts(self) -> int:
        """How many templates there are to start from; test examples count as one."""
        return len(self.template) or 1

    @model_validator(mode="after")
    def _has_texts(self) -> Self:
        if bool(self.template) == (self.examples is not None):
            raise ValueError("set template, or examples to use test examples, and not both.")
        if self.changed and len(self.changed) != self.starts:
            raise ValueError(
                f"changed has {len(self.changed)} texts for {self.starts} to change: write as many."
            )
        return self


class InvarianceTest(ChangingTest):
    """An invariance test (INV): a change that must not change the answer."""

    kind: Literal["invariance"]
    vary: str | None = None
    """The slot that gets another value."""
    perturb: Perturbation | None = None
    """The change of the text; if inputs have several columns, of the first."""

    @model_validator(mode="after")
    def _has_one_change(self) -> Self:
        changes = [name for name in ("vary", "changed", "perturb") if getattr(self, name)]
        if len(changes) != 1:
            raise ValueError(
                f"set one of vary, changed and perturb; {listed(changes) or 'none'} "
                f"{'are' if len(changes) > 1 else 'is'} set."
            )
        if self.vary is not None and self.examples is not None:
            raise ValueError("vary needs the slot of a template: set template instead of examples.")
        return self


class DirectionTest(ChangingTest):
    """A directional expectation test (DIR): a change that must move a probability."""

    kind: Literal["direction"]
    changed: Templates = Field(min_length=1)
    label: str = Field(min_length=1)
    """The label whose probability must move."""
    moves: Literal["up", "down"]
    by: float = Field(0.0, ge=-1, le=1)
    """How far it must move at least; below 0, how far it may move the other way."""


Test = MinimumTest | InvarianceTest | DirectionTest
_TESTS: Mapping[str, type[Test]] = {
    "minimum": MinimumTest,
    "invariance": InvarianceTest,
    "direction": DirectionTest,
}


class _Lists(Settings):
    """The head of a file."""

    slots: dict[str, tuple[Text, ...]] = {}
    tests: list[Any] = Field(min_length=1)


ANY_TEST: TypeAdapter[Test] = TypeAdapter(Annotated[Test, Field(discriminator="kind")])
"""Reads a test that `model_dump` has written."""


@dataclass(frozen=True)
class Suite:
    """The tests of a file."""

    slots: Mapping[str, Sequence[str]]
    """The values of slots, by the name of their list."""
    tests: tuple[Test, ...]
    places: Mapping[str, str]
    """FILE:LINE of each test, by name."""


def read_suite(file: Path) -> Suite:
    """Return the behaviour tests of a file.

    Raises:
        InputError: it is missing or invalid; the message names the file, the line and the fix.
    """
    return _Reader(read_tree(file, "slots and tests")).suite()


class _Reader:
    """Reads the tests of a file."""

    def __init__(self, tree: YamlTree) -> None:
        self.tree = tree

    def suite(self) -> Suite:
        """Return the validated tests."""
        head = self.tree.validated(_Lists)
        check_lists(self.tree, head.slots)
        tests: dict[str, Test] = {}
        places: dict[str, str] = {}
        for number, entry in enumerate(head.tests):
            test = self._test(number, entry, head.slots)
            if test.name in tests:
                raise self.tree.error(("tests", number), test.name, "two tests have this name")
            tests[test.name] = test
            places[test.name] = self.tree.place(("tests", number))
        return Suite(head.slots, tuple(tests.values()), places)

    def _test(self, number: int, entry: Any, lists: Mapping[str, Sequence[str]]) -> Test:
        place, tree = ("tests", number), self.tree
        if not isinstance(entry, dict):
            raise tree.error(place, f"test {number + 1}", "write a mapping with name and kind")
        kind, name = entry.get("kind"), entry.get("name") or f"test {number + 1}"
        if not isinstance(kind, str) or kind not in _TESTS:
            problem = "kind is not set" if kind is None else f"there is no kind {kind!r} of test"
            raise tree.error((*place, "kind"), name, f"{problem}: use one of {listed(_TESTS)}")
        test = tree.validated(_TESTS[kind], place, name)
        slots = [slot for template in test.templates for slot in slots_of(template)]
        # Columns of test examples are slots as well, and not known here.
        if test.max_examples is None:
            check_slots(tree, place, name, slots, lists)
        if isinstance(test, InvarianceTest) and test.vary is not None and test.vary not in slots:
            problem = f"no template has the slot {{{test.vary}}}: set vary to one of"
            raise tree.error((*place, "vary"), name, f"{problem} {listed(dict.fromkeys(slots))}")
        return test


def check_lists(tree: YamlTree, lists: Mapping[str, Sequence[str]]) -> None:
    """Raise InputError if a list of the values of slots is empty, or has one of them twice."""
    for name, known in lists.items():
        if not known or len({*known}) < len(known):
            raise tree.error(("slots", name), f"slots.{name}", "list different values")


def check_slots(
    tree: YamlTree,
    place: NodePath,
    name: str,
    slots: Iterable[str],
    lists: Mapping[str, Sequence[str]],
) -> None:
    """Raise InputError if a slot of the templates of an entry has no list of values."""
    for slot in slots:
        if list_of(slot, lists) is None:
            fix = f"add slots.{slot} with its values; there are {listed(lists) or 'none'}"
            raise tree.error(place, name, f"the slot {{{slot}}} has no list: {fix}")


def slots_of(template: Template) -> list[str]:
    """Return the slots of the texts of a template, in their order."""
    texts = [template] if isinstance(template, str) else template.values()
    return [slot for text in texts for slot in slots_in(text)]


def by_column(template: Template, columns: Sequence[str], are_all: bool = True) -> dict[str, str]:
    """Return the texts of a template by column; a single text is that of the first.

    Args:
        template: a text, or one for each column.
        columns: of an input.
        are_all: whether every column needs a text.

    Raises:
        ValueError: a column is unknown, or has no text.
    """
    texts = {columns[0]: template} if isinstance(template, str) else template
    wrong = [column for column in texts if column not in columns]
    missing = [column for column in columns if column not in texts and are_all]
    if wrong or missing:
        problem = f"there is no column {wrong[0]!r}" if wrong else f"{missing[0]} has no text"
        raise ValueError(f"{problem}: an input has {listed(columns)}")
    return dict(texts)
