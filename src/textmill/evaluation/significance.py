"""How sure a score is, and whether two models on the same test examples really differ.

Macro-averaged F1, entity F1 and BLEU are no means over examples. They are functions of counts that
are sums over examples, though, so every metric is given here as such a function: a resampled or
reshuffled test set then costs one product of matrices.

Intervals come from the percentile bootstrap (Efron & Tibshirani 1993, chapter 13; for BLEU, Koehn
2004), p-values from approximate randomization (Noreen 1989, chapter 2; Riezler & Maxwell 2005):
under the null hypothesis two models' answers to an example may change places. sacrebleu offers both
for its own metrics (sacrebleu.significance); its statistics and scores are used here, but not its
tests: they give no one-sided p-value and no interval of a difference, and count ties as evidence
(a model compared with itself has the smallest p-value there is).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.metrics import Metric, leading, lower_is_better

N_RESAMPLES = 2000
N_SHUFFLES = 10_000
LEVEL = 0.95
CHUNK_CELLS = 2**23
"""Numbers in memory at once: of 7,600 examples, about a thousand shuffles."""

Floats = NDArray[np.float64]
OfSums = Callable[[Floats], Floats]
"""From sums of statistics, (M, K), to the values of a metric, (M,)."""


@dataclass(frozen=True)
class Counts:
    """The answers of some models to the same test examples, as statistics that can be summed."""

    statistics: Floats
    """(models, examples, K)"""
    metrics: Mapping[str, OfSums]
    """By name; also those of single classes, which have no definition."""


@dataclass(frozen=True)
class Answers(Counts):
    """Such statistics, and what is known of the metrics of their kind of task."""

    definitions: tuple[Metric, ...]

    @property
    def leading(self) -> str:
        """The name of the metric that a model is promoted by."""
        return leading(self.definitions).name

    def values(self, model: int) -> dict[str, float]:
        """Return a model's score by every metric, from all examples."""
        sums = self.statistics[model].sum(axis=0, keepdims=True)
        return {name: float(metric(sums)[0]) for name, metric in self.metrics.items()}


@dataclass(frozen=True)
class Interval:
    """A score or a difference, with the bounds of its interval."""

    value: float
    low: float
    high: float
    deviation: float
    """Standard deviation over the resampled test sets."""


@dataclass(frozen=True)
class Difference:
    """How much the second of two models is ahead of the first by a metric."""

    gain: Interval
    """In the metric's unit; positive where the second is better, also where lower is better."""
    p_value: float
    """Two-sided: how often chance alone makes a difference as large, whichever is ahead."""
    p_better: float
    """One-sided: how often chance alone puts the second as far ahead."""


def intervals(answers: Answers, model: int, seed: int = 0) -> dict[str, Interval]:
    """Return every metric of a model with its 95 % interval (percentile bootstrap)."""
    sums = _resample(answers.statistics[[model]], seed)[0]
    values = answers.values(model)
    return {name: _interval(values[name], metric(sums)) for name, metric in answers.metrics.items()}


def differences(answers: Answers, first: int, second: int, seed: int = 0) -> dict[str, Difference]:
    """Return by every metric how far the second model is ahead of the first, and how surely."""
    pair = answers.statistics[[first, second]]
    before, after = answers.values(first), answers.values(second)
    resampled = _resample(pair, seed)
    shuffled = _shuffle(pair, seed)
    found = {}
    for name, metric in answers.metrics.items():
        sign = -1.0 if lower_is_better(answers.definitions, name) else 1.0
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
    """Return the p-value; the observed arrangement counts as one of the shuffles (Noreen 1989)."""
    rounding = 1e-9 * max(1.0, abs(observed))  # equal arrangements add up in another order
    return float((1 + np.sum(by_chance >= observed - rounding)) / (1 + len(by_chance)))


def _resample(statistics: Floats, seed: int) -> Floats:
    """Return (models, resamples, K): sums over examples drawn with replacement, for all alike."""
    rng = np.random.default_rng([seed, 0])
    n = statistics.shape[1]
    parts = []
    for size in _chunks(N_RESAMPLES, n):
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        parts.append(times.astype(np.float64) @ statistics)
    return np.concatenate(parts, axis=1)


def _shuffle(pair: Floats, seed: int) -> Floats:
    """Return (2, shuffles, K): sums after the answers to half of the examples changed places."""
    rng = np.random.default_rng([seed, 1])
    change = pair[1] - pair[0]
    change = change[change.any(axis=1)]  # equal answers stay what they are
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


def ratio(above: Floats, below: Floats) -> Floats:
    """Return quotients, 0 where the denominator is."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def f1_of(sums: Floats, group: int) -> Floats:
    """Return F1 from counts of what is right, predicted and expected, of one group of several."""
    right, predicted, expected = sums[:, 3 * group : 3 * group + 3].T
    return ratio(2 * right, predicted + expected)
