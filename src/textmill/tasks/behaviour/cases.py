"""The step that fills in the behaviour tests and bias report of a task, before any training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from textmill.config import TaskConfig
from textmill.corpus.reading.line_ends import json_line
from textmill.errors import InputError, listed
from textmill.files import parse_lines, write_atomic, write_json
from textmill.tasks.behaviour.attributes import read_inventory
from textmill.tasks.behaviour.counterfactuals import (
    Counterfactual,
    counterfactuals,
    write_counterfactuals,
)
from textmill.tasks.behaviour.judging import Behaviour, Given, behaviour_of, read_given
from textmill.tasks.behaviour.perturbations import PERTURBATIONS
from textmill.tasks.behaviour.suite import (
    DirectionTest,
    InvarianceTest,
    MinimumTest,
    Suite,
    Template,
    Test,
    by_column,
    read_suite,
    slots_of,
)
from textmill.tasks.behaviour.templates import (
    Filled,
    Values,
    draw_values,
    evenly,
    fill,
    list_of,
)
from textmill.tasks.inputs import Input
from textmill.tasks.kinds import answers_of, examples_of

CASES, TESTS = "cases.jsonl", "tests.json"
NO_TESTS = Suite({}, (), {})


@dataclass(frozen=True)
class Case:
    """One text of a test, or a text and its change."""

    test: str
    inputs: tuple[Given, ...]
    expected: Any = None
    """The right answer of a minimum test."""


def write_cases(config: TaskConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the cases of all tests to cases.jsonl, their settings to tests.json, and metrics.json.

    With groups for a bias report, counterfactuals.jsonl has their texts.

    Args:
        config: the task, with the file of its behaviour tests, or of its bias report, or both.
        inputs: unused.
        out: an empty folder.

    Raises:
        InputError: a test is invalid, or expects what models of the task cannot answer; the task
            can have no bias report; or the training examples are invalid.
    """
    setting = "behaviour" if config.behaviour is not None else "bias"
    judge = behaviour_of(config.kind, f"tasks.{config.name}.{setting}")
    suite = NO_TESTS if config.behaviour is None else read_suite(Path(config.behaviour))
    kind = examples_of(config.kind)
    spec = kind.make_spec(config, kind.read_examples(config, "train"))
    builder = _Builder(suite, judge, spec, answers_of(config.kind).columns(spec))
    if config.bias is not None or any(test.max_examples is not None for test in suite.tests):
        rows = kind.read_examples(config, "test")
        builder.examples = [kind.model_input(row) for row in rows]
    cases = [case for test in suite.tests for case in builder.cases(test)]
    write_atomic(out / CASES, "".join(json_line(asdict(case)) for case in cases).encode())
    write_json(out / TESTS, [test.model_dump(exclude_none=True) for test in suite.tests])
    found = [*_counterfactuals(config, builder)]
    if found:
        write_counterfactuals(found, out)
    counts = {"tests": len(suite.tests), "cases": len(cases), "counterfactuals": len(found)}
    write_json(out / "metrics.json", counts)


def _counterfactuals(config: TaskConfig, builder: _Builder) -> Iterator[Counterfactual]:
    """Yield the texts of the bias report; none if the task has no groups.

    Raises:
        InputError: models of the task give no probabilities of labels.
    """
    if config.bias is None:
        return
    setting, check_label = f"tasks.{config.name}.bias", builder.judge.check_label
    if check_label is None:
        raise InputError(
            f"{setting}: models of the kind {config.kind!r} give no probabilities of labels, whose "
            "differences a bias report shows: remove it."
        )
    try:
        for label in builder.spec.labels:
            check_label(builder.spec, label)
    except ValueError as error:
        raise InputError(f"{setting}: {error}.") from None
    examples = [builder.texts_of(example) for example in builder.examples]
    yield from counterfactuals(read_inventory(Path(config.bias)), builder.columns, examples)


def read_cases(folder: Path) -> list[Case]:
    """Return the cases that `write_cases` has written."""
    file = folder / CASES
    return [
        Case(row["test"], tuple(map(read_given, row["inputs"])), row["expected"])
        for row in parse_lines(file.read_bytes(), file)
    ]


class _Builder:
    """Fills in the templates of tests, with draws that depend on the name of a test alone."""

    def __init__(self, suite: Suite, judge: Behaviour, spec: Any, columns: Sequence[str]) -> None:
        self.suite, self.judge, self.spec, self.columns = suite, judge, spec, columns
        self.examples: list[Input] = []

    def cases(self, test: Test) -> Iterator[Case]:
        """Yield the cases of a test.

        Raises:
            InputError: it has none, or expects what models of the task cannot answer.
        """
        if isinstance(test, DirectionTest):
            self._check_label(test)
        rng, n_cases = Random(test.name), 0
        for number, n in enumerate(_shares(test)):
            for inputs in self._inputs(test, number, n, rng):
                expected = self._expected(test, inputs[0])
                yield Case(test.name, inputs, expected)
                n_cases += 1
        if not n_cases:
            raise self._error(
                test,
                "there are no cases: no text is changed, or slots of one list have too few values "
                "to be different",
            )

    def _inputs(self, test: Test, number: int, n: int, rng: Random) -> Iterator[tuple[Given, ...]]:
        """Yield up to n inputs of a template, each with its change if the test has one."""
        for template, values in self._starts(test, number, n, rng):
            before = self._fill(test, template, values)
            if isinstance(test, MinimumTest):
                yield (before,)
                continue
            after = self._changed(test, number, template, values, before, rng)
            if after != before:
                yield before, after

    def _starts(
        self, test: Test, number: int, n: int, rng: Random
    ) -> Iterator[tuple[Template, Values]]:
        """Yield up to n templates with values of their slots, and of those of their changes."""
        changed = getattr(test, "changed", ())
        further = slots_of(changed[number]) if changed else []
        if test.max_examples is None:
            template = test.template[number]
            slots = list(dict.fromkeys([*slots_of(template), *further]))
            for values in draw_values(slots, self.suite.slots, n, rng):
                yield template, values
            return
        slots = [slot for slot in further if slot not in self.columns]
        unknown = [slot for slot in slots if list_of(slot, self.suite.slots) is None]
        if unknown:
            known = listed([*self.columns, *self.suite.slots])
            problem = f"the slot {{{unknown[0]}}} is neither a column nor has a list: use one of"
            raise self._error(test, f"{problem} {known}")
        template = {column: f"{{{column}}}" for column in self.columns}
        for example in rng.sample(self.examples, min(n, len(self.examples))):
            drawn = next(draw_values(slots, self.suite.slots, 1, rng), None)
            if drawn is not None:
                yield template, {**self.texts_of(example), **drawn}

    def texts_of(self, example: Input) -> dict[str, str]:
        """Return the texts of a test example, by column."""
        values = example if isinstance(example, Mapping) else {self.columns[0]: example}
        return {column: _as_text(value) for column, value in values.items()}

    def _changed(
        self,
        test: Test,
        number: int,
        template: Template,
        values: Values,
        before: Given,
        rng: Random,
    ) -> Given:
        """Return the input after the change of a test."""
        if isinstance(test, InvarianceTest) and test.vary is not None:
            name = str(list_of(test.vary, self.suite.slots))
            others = [one for one in self.suite.slots[name] if one not in values.values()]
            if not others:
                return before
            return self._fill(test, template, {**values, test.vary: rng.choice(others)})
        if isinstance(test, InvarianceTest) and test.perturb is not None:
            first = self.columns[0]
            return {**before, first: PERTURBATIONS[test.perturb](before[first], rng)}
        assert not isinstance(test, MinimumTest)
        return {**before, **self._fill(test, test.changed[number], values, are_all=False)}

    def _fill(self, test: Test, template: Template, values: Values, are_all: bool = True) -> Given:
        """Return the columns of a template filled in; the texts of examples are no slots."""
        try:
            texts = by_column(template, self.columns, are_all)
        except ValueError as error:
            raise self._error(test, str(error)) from None
        filled = {column: fill(text, values) for column, text in texts.items()}
        if test.max_examples is None:
            return filled
        return {
            column: Filled(text.text, tuple(p for p in text.places if p[2] not in self.columns))
            for column, text in filled.items()
        }

    def _expected(self, test: Test, given: Given) -> Any:
        if not isinstance(test, MinimumTest):
            return None
        try:
            return self.judge.expected(self.spec, test.expect, given)
        except ValueError as error:
            raise self._error(test, str(error)) from None

    def _check_label(self, test: DirectionTest) -> None:
        if self.judge.check_label is None:
            problem = "answers of this kind have no labels: use kind minimum or invariance"
            raise self._error(test, problem)
        try:
            self.judge.check_label(self.spec, test.label)
        except ValueError as error:
            raise self._error(test, str(error)) from None

    def _error(self, test: Test, problem: str) -> InputError:
        return InputError(f"{self.suite.places[test.name]}: {test.name}: {problem}.")


def _shares(test: Test) -> list[int]:
    """Return the maximum number of cases of each template of a test, which share its maximum."""
    if test.max_examples is not None:
        return [min(test.max_cases, test.max_examples)]
    return evenly(test.max_cases, len(test.template))


def _as_text(value: Any) -> str:
    """Return a value of an example: words are joined by spaces, unless they are characters."""
    if isinstance(value, str | int):
        return str(value)
    separator = "" if all(len(word) == 1 for word in value) else " "
    return separator.join(value)
