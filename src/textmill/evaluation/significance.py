"""Confidence intervals of scores, and significance tests of differences between two models.

Macro-averaged F1, entity F1 and BLEU are not means over examples, but functions of statistics that
are sums over examples. Every metric is given as such a function, so that resampling or permuting a
test set is one matrix product.

Intervals are by the percentile bootstrap (Efron & Tibshirani 1993, chapter 13; for BLEU, Koehn
2004), p-values by approximate randomization (Noreen 1989, chapter 2; Riezler & Maxwell 2005): under
the null hypothesis, the predictions of two models for an example are exchangeable. sacreBLEU offers
both for its own metrics (sacrebleu.significance), but its tests are not used: they have no
one-sided p-value and no interval of a difference, and count ties as evidence (a model compared with
itself has the smallest possible p-value).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.metrics import Metric, Row, leading, lower_is_better

N_RESAMPLES = 2000
N_SHUFFLES = 10_000
LEVEL = 0.95
CHUNK_CELLS = 2**23
"""Numbers in memory at a time: for 7,600 examples, about a thousand permutations."""

Floats = NDArray[np.float64]
OfSums = Callable[[Floats], Floats]
"""Maps sums of statistics, (M, K), to the values of a metric, (M,)."""


@dataclass(frozen=True)
class Counts:
    """Summable statistics of models' predictions for the same test examples."""

    statistics: Floats
    """(models, examples, K)"""
    metrics: Mapping[str, OfSums]
    """By name, including those of single classes, which have no definition."""


@dataclass(frozen=True)
class ExampleStatistics(Counts):
    """Summable statistics with the definitions of the metrics of their kind of task."""

    definitions: tuple[Metric, ...]

    @property
    def leading(self) -> str:
        """The name of the metric that models are promoted by."""
        return leading(self.definitions).name

    def values(self, model: int) -> dict[str, float]:
        """Return a model's scores on all examples, by metric."""
        sums = self.statistics[model].sum(axis=0, keepdims=True)
        return {name: float(metric(sums)[0]) for name, metric in self.metrics.items()}


@dataclass(frozen=True)
class Interval:
    """A score or a difference with its confidence interval."""

    value: float
    low: float
    high: float
    deviation: float
    """Standard deviation over the resampled test sets."""


@dataclass(frozen=True)
class Difference:
    """The difference between two models by a metric."""

    gain: Interval
    """In the metric's unit; positive if the second model is better, also if lower is better."""
    p_value: float
    """Two-sided: probability of a difference at least as large by chance, in either direction."""
    p_better: float
    """One-sided: probability of a gain of the second model at least as large by chance."""


def intervals(examples: ExampleStatistics, model: int, seed: int = 0) -> dict[str, Interval]:
    """Return the metrics of a model with their 95 % intervals (percentile bootstrap)."""
    sums = _resample(examples.statistics[[model]], seed)[0]
    values = examples.values(model)
    without = {metric.name for metric in examples.definitions if not metric.has_interval}
    return {
        name: _interval(values[name], metric(sums))
        for name, metric in examples.metrics.items()
        if name not in without
    }


def differences(
    examples: ExampleStatistics, first: int, second: int, seed: int = 0
) -> dict[str, Difference]:
    """Return the gain of the second model over the first with its significance, by metric."""
    pair = examples.statistics[[first, second]]
    before, after = examples.values(first), examples.values(second)
    resampled = _resample(pair, seed)
    shuffled = _shuffle(pair, seed)
    found = {}
    for name, metric in examples.metrics.items():
        sign = -1.0 if lower_is_better(examples.definitions, name) else 1.0
        gain = sign * (after[name] - before[name])
        resampled_gains = sign * (metric(resampled[1]) - metric(resampled[0]))
        by_chance = sign * (metric(shuffled[1]) - metric(shuffled[0]))
        found[name] = Difference(
            gain=_interval(gain, resampled_gains),
            p_value=_share_at_least(np.abs(by_chance), abs(gain)),
            p_better=_share_at_least(by_chance, gain),
        )
    return found


def _interval(value: float, resampled: Floats) -> Interval:
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), float(resampled.std(ddof=1)))


def _share_at_least(by_chance: Floats, observed: float) -> float:
    """Return the p-value; the observed data counts as one of the permutations (Noreen 1989)."""
    rounding = 1e-9 * max(1.0, abs(observed))  # equal sums may be rounded differently
    return float((1 + np.sum(by_chance >= observed - rounding)) / (1 + len(by_chance)))


def _resample(statistics: Floats, seed: int) -> Floats:
    """Return (models, resamples, K): sums over resampled examples, the same for all models."""
    rng = np.random.default_rng([seed, 0])
    n = statistics.shape[1]
    parts = []
    for size in _chunks(N_RESAMPLES, n):
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        parts.append(times.astype(np.float64) @ statistics)
    return np.concatenate(parts, axis=1)


def _shuffle(pair: Floats, seed: int) -> Floats:
    """Return (2, shuffles, K): sums after randomly exchanging the models' predictions."""
    rng = np.random.default_rng([seed, 1])
    change = pair[1] - pair[0]
    change = change[change.any(axis=1)]  # exchanging equal predictions has no effect
    moved = [
        rng.integers(2, size=(size, len(change)), dtype=np.int8).astype(np.float64) @ change
        for size in _chunks(N_SHUFFLES, len(change))
    ]
    sums = pair.sum(axis=1)[:, None]
    shift = np.concatenate(moved)
    return np.stack([sums[0] + shift, sums[1] - shift])


def _chunks(total: int, n_examples: int) -> Iterator[int]:
    size = max(1, CHUNK_CELLS // max(1, n_examples))
    yield from (min(size, total - at) for at in range(0, total, size))


def no_counts(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Counts:
    """Return no statistics, for kinds of task whose metrics are all means over examples."""
    return Counts(np.zeros((len(models), len(models[0]), 0)), {})


def ratio(above: Floats, below: Floats) -> Floats:
    """Return quotients; 0 where the denominator is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def f1_of(sums: Floats, group: int) -> Floats:
    """Return the F1 of one group from its counts of correct, predicted and reference items."""
    right, predicted, expected = sums[:, 3 * group : 3 * group + 3].T
    return ratio(2 * right, predicted + expected)
