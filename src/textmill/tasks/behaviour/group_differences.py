"""Differences between groups with their intervals: what is shown of a bias report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from textmill.evaluation.paired_means import mean_interval
from textmill.evaluation.proportions import proportion_interval
from textmill.evaluation.significance import Interval
from textmill.tasks.behaviour.group_scores import GroupPair, cases_from_rows, pairs_of

DECIMALS = 3
"""Decimals of differences wherever they are shown."""


@dataclass(frozen=True)
class GroupDifference:
    """What a change of the group's term does to the answers of a model."""

    pair: GroupPair
    change: Interval
    """Of the probability of the label that changes most."""
    flips: Interval
    """The share of cases in which the answer changes."""

    @property
    def is_marked(self) -> bool:
        """Whether the interval of the change excludes zero, in the decimals shown.

        A single template with a single term says nothing about others.
        """
        if not self.pair.groupings:
            return False
        return round(self.change.low, DECIMALS) > 0 or round(self.change.high, DECIMALS) < 0


def differences_from_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[GroupDifference, ...]:
    """Return the differences of all pairs of groups, from the rows of group_scores.jsonl.

    Intervals are about other templates and other terms.
    """
    return tuple(
        GroupDifference(
            pair,
            mean_interval(pair.changes(pair.label), pair.groupings),
            proportion_interval(pair.flips, pair.groupings),
        )
        for pair in pairs_of(cases_from_rows(rows))
    )
