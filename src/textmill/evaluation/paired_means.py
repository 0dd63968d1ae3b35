"""The confidence interval of a mean over pairs, some of which have something in common."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from textmill.evaluation.significance import (
    LEVEL,
    ExampleStatistics,
    Interval,
    intervals,
    ratio,
)

QUANTILE = (1 + LEVEL) / 2


def mean_interval(
    values: Sequence[float], groupings: Iterable[Sequence[Hashable]] = ()
) -> Interval:
    """Return a mean with its 95 % interval (percentile bootstrap).

    Of pairs that have something in common, whole groups are drawn. The interval of few groups is
    too narrow, and expanded (Hesterberg 2015, "What Teachers Should Know About the Bootstrap"): by
    the quantile of Student's t, and the bias of the standard deviation.

    Args:
        values: one for each pair.
        groupings: ways of grouping the pairs, each with the group of every pair, of which there are
            at least two. The grouping with the widest interval counts.
    """
    found = [_of_groups(values, range(len(values)))]
    for groups in groupings:
        n = len({*groups})
        found.append(_expanded(_of_groups(values, groups), n))
    return max(found, key=lambda interval: interval.high - interval.low)


def _of_groups(values: Sequence[float], groups: Sequence[Hashable]) -> Interval:
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    of_pair = [numbers[group] for group in groups]
    counts = np.stack([np.bincount(of_pair, values), np.bincount(of_pair)], axis=1)
    metrics = {"mean": lambda drawn: ratio(drawn[:, 0], drawn[:, 1])}
    return intervals(ExampleStatistics(counts[None].astype(np.float64), metrics, ()), 0)["mean"]


def _expanded(interval: Interval, n_groups: int) -> Interval:
    from scipy.special import stdtrit

    quantile = float(stdtrit(n_groups - 1, QUANTILE)) / NormalDist().inv_cdf(QUANTILE)
    factor, value = quantile * math.sqrt(n_groups / (n_groups - 1)), interval.value
    low, high = (value + factor * (bound - value) for bound in (interval.low, interval.high))
    return replace(interval, low=low, high=high)
