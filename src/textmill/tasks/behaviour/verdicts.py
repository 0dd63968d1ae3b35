"""What came of the behaviour tests of a model: each case, and the share that passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from textmill.config import BEHAVIOUR_SCORES
from textmill.corpus.reading.line_ends import json_line
from textmill.files import write_atomic
from textmill.tasks.behaviour.suite import MEAN

VERDICTS = "verdicts.jsonl"
MEAN_METRIC = f"{BEHAVIOUR_SCORES}{MEAN}"


@dataclass(frozen=True)
class Verdict:
    """What came of a case."""

    test: str
    kind: str
    about: str
    """What the test shows."""
    texts: tuple[str, ...]
    """The input, and the changed one if there is one."""
    values: tuple[Mapping[str, str], ...]
    """The values of the slots of each of them."""
    answers: tuple[str, ...]
    expected: str
    is_passed: bool


@dataclass(frozen=True)
class Summary:
    """What came of a test."""

    test: str
    kind: str
    about: str
    cases: tuple[Verdict, ...]

    @property
    def n_cases(self) -> int:
        """The number of its cases."""
        return len(self.cases)

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """Its cases that failed."""
        return tuple(case for case in self.cases if not case.is_passed)

    @property
    def outcomes(self) -> list[bool]:
        """Whether each of its cases passed."""
        return [case.is_passed for case in self.cases]

    @property
    def groupings(self) -> list[list[str | int]]:
        """Its cases grouped by the values of each slot that has several.

        A case without the slot is a group of its own, whose name is its number.
        """
        slots = {
            (text, slot): None
            for case in self.cases
            for text, values in enumerate(case.values)
            for slot in values
        }
        found: list[list[str | int]] = [
            [case.values[text].get(slot, number) for number, case in enumerate(self.cases)]
            for text, slot in slots
        ]
        return [groups for groups in found if len({g for g in groups if isinstance(g, str)}) > 1]

    @property
    def metric(self) -> str:
        """The name of the metric that is its share."""
        return f"{BEHAVIOUR_SCORES}{self.test}"

    @property
    def share(self) -> float:
        """The share of its cases that passed."""
        return 1 - len(self.failed) / self.n_cases


def write_verdicts(verdicts: Sequence[Verdict], folder: Path) -> None:
    """Write verdicts.jsonl, one object per case."""
    write_atomic(folder / VERDICTS, "".join(json_line(asdict(one)) for one in verdicts).encode())


def summarized(verdicts: Sequence[Verdict]) -> tuple[Summary, ...]:
    """Return what came of each test, in their order."""
    by_test: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_test.setdefault(verdict.test, []).append(verdict)
    return tuple(Summary(name, of[0].kind, of[0].about, tuple(of)) for name, of in by_test.items())


def from_rows(rows: Sequence[Mapping[str, Any]]) -> tuple[Summary, ...]:
    """Return what came of each test, from the rows of verdicts.jsonl."""
    lists = ("texts", "values", "answers")
    return summarized(
        [Verdict(**{**row, **{key: tuple(row[key]) for key in lists}}) for row in rows]
    )


def metrics_of_tests(summaries: Sequence[Summary]) -> dict[str, float]:
    """Return the share of passed cases of each test, and their mean, in which all count alike."""
    shares = {one.metric: one.share for one in summaries}
    return shares | {MEAN_METRIC: sum(shares.values()) / len(shares)}
