"""What a model says of texts that differ in a term of a group, for each pair of groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from textmill.config import BIAS_SCORES
from textmill.corpus.reading.line_ends import json_line
from textmill.files import write_atomic
from textmill.tasks.behaviour.group_text import GroupText

GROUP_SCORES = "group_scores.jsonl"
_DECIMALS = 6
"""Precision in which the mean changes of labels are compared: of two labels, they are opposite."""


@dataclass(frozen=True)
class GroupCase(GroupText):
    """What a model says of a text as it is for each of several groups."""

    texts: tuple[str, ...]
    """One for each group, as are the following."""
    probabilities: tuple[Mapping[str, float], ...]
    """By label."""
    decisions: tuple[Any, ...]


@dataclass(frozen=True)
class GroupPair:
    """The cases of two groups: from the first to the second, only the term changes."""

    cases: tuple[GroupCase, ...]
    first: int
    """The number of the group in each case."""
    second: int

    @property
    def attribute(self) -> str:
        """The attribute that the groups differ in."""
        return self.cases[0].attribute

    @property
    def about(self) -> str:
        """What its terms are."""
        return self.cases[0].about

    @property
    def origin(self) -> str:
        """Whether its cases are of templates, or test examples."""
        return self.cases[0].origin

    @property
    def groups(self) -> tuple[str, str]:
        """The names of the groups."""
        names = self.cases[0].groups
        return names[self.first], names[self.second]

    def changes(self, label: str) -> list[float]:
        """Return the change of the probability of a label in each case."""
        return [
            case.probabilities[self.second][label] - case.probabilities[self.first][label]
            for case in self.cases
        ]

    @cached_property
    def label(self) -> str:
        """The label whose probability changes most on average, in either direction."""

        def size(label: str) -> float:
            return round(abs(fmean(self.changes(label))), _DECIMALS)

        return max(self.cases[0].probabilities[0], key=size)

    @property
    def flips(self) -> list[bool]:
        """Whether the decision changes, in each case."""
        return [case.decisions[self.first] != case.decisions[self.second] for case in self.cases]

    @property
    def groupings(self) -> list[list[str]]:
        """Its cases grouped by template and by term, where there are several."""
        found = [[case.template for case in self.cases], [case.term for case in self.cases]]
        return [groups for groups in found if len({*groups}) > 1]

    @property
    def largest(self) -> tuple[str, str]:
        """The texts whose probability of the label changes most in the direction of the mean."""
        changes = self.changes(self.label)
        sign = 1 if fmean(changes) >= 0 else -1
        case = self.cases[max(range(len(changes)), key=lambda at: sign * changes[at])]
        return case.texts[self.first], case.texts[self.second]


def write_group_scores(cases: Sequence[GroupCase], folder: Path) -> None:
    """Write group_scores.jsonl, one object per case."""
    write_atomic(folder / GROUP_SCORES, "".join(json_line(asdict(one)) for one in cases).encode())


def cases_from_rows(rows: Iterable[Mapping[str, Any]]) -> list[GroupCase]:
    """Return the cases of the rows of group_scores.jsonl."""
    lists = ("groups", "texts", "probabilities", "decisions")
    return [GroupCase(**{**row, **{key: tuple(row[key]) for key in lists}}) for row in rows]


def pairs_of(cases: Iterable[GroupCase]) -> Iterator[GroupPair]:
    """Yield all pairs of groups of each attribute, of templates and of test examples apart."""
    of_attributes: dict[tuple[str, str], list[GroupCase]] = {}
    for case in cases:
        of_attributes.setdefault((case.attribute, case.origin), []).append(case)
    for of_groups in of_attributes.values():
        for first, second in combinations(range(len(of_groups[0].groups)), 2):
            yield GroupPair(tuple(of_groups), first, second)


def metrics_of_pairs(pairs: Iterable[GroupPair]) -> dict[str, float]:
    """Return the largest mean change of a probability, and the largest share of changed answers."""
    known = [*pairs]
    return {
        f"{BIAS_SCORES}max_difference": max(abs(fmean(p.changes(p.label))) for p in known),
        f"{BIAS_SCORES}max_flips": max(fmean(pair.flips) for pair in known),
    }
