"""The confidence interval of the share of cases that pass, some of which have something in common.

The interval is by Wilson's score (1927, "Probable inference, the law of succession, and statistical
inference"), which is no single point if all cases pass, as that of a bootstrap is. Cases that have
something in common say less than as many others: the interval is that of the effective number of
cases by Korn & Graubard 1998 ("Confidence intervals for proportions with small expected number of
positive counts estimated from survey data").
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from statistics import NormalDist

import numpy as np

from textmill.evaluation.significance import LEVEL, Floats, Interval

QUANTILE = (1 + LEVEL) / 2


def proportion_interval(
    outcomes: Sequence[bool], groupings: Iterable[Sequence[Hashable]] = ()
) -> Interval:
    """Return the share of cases that pass with its 95 % interval.

    Args:
        outcomes: whether each case passes.
        groupings: ways of grouping the cases, each with the group of every case, of which there are
            at least two. The grouping that leaves the fewest effective cases counts.
    """
    passed = np.array(outcomes, np.float64)
    n = min([float(len(passed)), *(_effective(passed, groups) for groups in groupings)])
    share, z = float(passed.mean()), NormalDist().inv_cdf(QUANTILE)
    variance = share * (1 - share) / n
    centre = share + z**2 / (2 * n)
    half = z * math.sqrt(variance + (z / (2 * n)) ** 2)
    low, high = ((centre + side * half) / (1 + z**2 / n) for side in (-1, 1))
    return Interval(share, max(0.0, low), min(1.0, high), math.sqrt(variance))


def _effective(passed: Floats, groups: Sequence[Hashable]) -> float:
    """Return the number of independent cases whose share is as uncertain as that of groups.

    Its variance between groups is compared with that of independent cases, and few groups tell
    little about it: the ratio of the quantiles of Student's t accounts for that.
    """
    from scipy.special import stdtrit

    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    group_of = [numbers[group] for group in groups]
    n, n_groups, share = len(passed), len(numbers), passed.mean()
    residuals = np.bincount(group_of, passed - share)
    variance = n_groups / (n_groups - 1) * (residuals**2).sum() / n**2
    independent = share * (1 - share) / (n - 1)
    inflation = max(1.0, variance / independent) if independent else 1.0
    quantiles = stdtrit([n - 1, n_groups - 1], QUANTILE)
    return float(n / inflation * (quantiles[0] / quantiles[1]) ** 2)
