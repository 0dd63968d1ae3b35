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

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.iob2 import count_entities

N_RESAMPLES = 2000
N_SHUFFLES = 10_000
LEVEL = 0.95
CHUNK_CELLS = 2**23
"""Numbers in memory at once: of 7,600 examples, about a thousand shuffles."""
LANGUAGE_MODEL = "language_model"
LOWER_IS_BETTER = {"val_loss", "perplexity", "bits_per_byte"}

Floats = NDArray[np.float64]
Row = Mapping[str, Any]
Metric = Callable[[Floats], Floats]
"""From sums of statistics, (M, K), to the values of the metric, (M,)."""


@dataclass(frozen=True)
class Answers:
    """The answers of some models to the same test examples, as statistics that can be summed."""

    statistics: Floats
    """(models, examples, K)"""
    metrics: Mapping[str, Metric]
    """By name; the first is the one that a model of this kind is judged by."""

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


def tabulate(
    kind: str, models: Sequence[Sequence[Row]], signatures: Mapping[str, str] | None = None
) -> Answers:
    """Return the answers of models to the same test examples as statistics.

    Args:
        kind: the kind of task, or `LANGUAGE_MODEL`.
        models: the rows of each model's predictions file.
        signatures: how the metrics were computed, by metric; translation needs that of `bleu`.

    Raises:
        ValueError: the examples are not the same in the same order, or there are none.
    """
    fields, count = KINDS[kind]
    first = [[row[field] for field in fields] for row in models[0]]
    for rows in models[1:]:
        if [[row[field] for field in fields] for row in rows] != first:
            raise ValueError("the test examples are not the same, in the same order")
    if not first:
        raise ValueError("there are no test examples")
    return count(models, signatures or {})


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
        sign = -1.0 if name in LOWER_IS_BETTER else 1.0
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


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return quotients, 0 where the denominator is."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _f1(sums: Floats, group: int) -> Floats:
    right, predicted, expected = sums[:, 3 * group : 3 * group + 3].T
    return _ratio(2 * right, predicted + expected)


def _count_classification(
    models: Sequence[Sequence[Row]], signatures: Mapping[str, str]
) -> Answers:
    """Right, predicted and expected examples of every label; accuracy needs no more than these."""
    names = {row[field] for rows in models for row in rows for field in ("label", "reference")}
    labels = {label: i for i, label in enumerate(sorted(names))}
    statistics = np.zeros((len(models), len(models[0]), 3 * len(labels)))
    for model, rows in enumerate(models):
        examples = np.arange(len(rows))
        predicted = np.array([labels[row["label"]] for row in rows])
        expected = np.array([labels[row["reference"]] for row in rows])
        statistics[model, examples, 3 * predicted] = predicted == expected
        statistics[model, examples, 3 * predicted + 1] = 1
        statistics[model, examples, 3 * expected + 2] = 1

    def accuracy(sums: Floats) -> Floats:
        return _ratio(sums[:, 0::3].sum(axis=1), sums[:, 2::3].sum(axis=1))

    def f1_macro(sums: Floats) -> Floats:
        occurs = sums[:, 1::3] + sums[:, 2::3]
        f1: Floats = _ratio(2 * sums[:, 0::3], occurs)
        return _ratio(f1.sum(axis=1), (occurs > 0).sum(axis=1).astype(np.float64))

    by_label = {f"class/{label}/f1": partial(_f1, group=i) for label, i in labels.items()}
    return Answers(statistics, {"accuracy": accuracy, "f1_macro": f1_macro, **by_label})


def _count_tagging(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Answers:
    """Right, predicted and expected entities of every type."""
    found = [[count_entities(row["tags"], row["reference"]) for row in rows] for rows in models]
    names = {name for rows in found for counts in rows for name in counts}
    types = {name: i for i, name in enumerate(sorted(names))}
    statistics = np.zeros((len(models), len(models[0]), 3 * max(1, len(types))))
    for model, rows in enumerate(found):
        for example, by_type in enumerate(rows):
            for name, counts in by_type.items():
                at = 3 * types[name]
                statistics[model, example, at : at + 3] = counts

    def overall(metric: Metric, sums: Floats) -> Floats:
        return metric(np.stack([sums[:, part::3].sum(axis=1) for part in range(3)], axis=1))

    return Answers(
        statistics,
        {
            "f1": partial(overall, partial(_f1, group=0)),
            "precision": partial(overall, lambda sums: _ratio(sums[:, 0], sums[:, 1])),
            "recall": partial(overall, lambda sums: _ratio(sums[:, 0], sums[:, 2])),
            **{f"type/{name}/f1": partial(_f1, group=i) for name, i in types.items()},
        },
    )


def _count_translation(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Answers:
    """What sacrebleu counts in a sentence, of BLEU and of chrF, side by side.

    The tokenizer of BLEU is the one that its signature names.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    named = re.search(r"(?:^|\|)tok:([^|]+)", signatures.get("bleu", ""))
    if named is None:
        raise ValueError("the signature of bleu does not name its tokenizer")
    scorers = {"bleu": BLEU(tokenize=named[1], force=True), "chrf": CHRF()}
    columns: list[NDArray[np.float64]] = []
    metrics: dict[str, Metric] = {}
    at = 0
    for name, scorer in scorers.items():
        counted = np.array(
            [
                scorer._extract_corpus_statistics(
                    [row["translation"] for row in rows], [[row["reference"] for row in rows]]
                )
                for rows in models
            ],
            dtype=np.float64,
        )
        columns.append(counted)
        metrics[name] = partial(_sacrebleu_scores, scorer, at, at + counted.shape[2])
        at += counted.shape[2]
    return Answers(np.concatenate(columns, axis=2), metrics)


def _sacrebleu_scores(scorer: Any, start: int, stop: int, sums: Floats) -> Floats:
    rows = sums[:, start:stop].round().astype(int).tolist()
    return np.array([scorer._compute_score_from_stats(row).score for row in rows])


def _count_language_model(
    models: Sequence[Sequence[Row]], signatures: Mapping[str, str]
) -> Answers:
    """Negative log-likelihood (nats), targets and bytes of every document."""
    fields = ("nll", "targets", "bytes")
    statistics = np.array([[[r[f] for f in fields] for r in rows] for rows in models], np.float64)

    def val_loss(sums: Floats) -> Floats:
        return _ratio(sums[:, 0], sums[:, 1])

    return Answers(
        statistics,
        {
            # The first, as it does not depend on the tokenizer.
            "bits_per_byte": lambda sums: _ratio(sums[:, 0], sums[:, 2]) / np.log(2),
            "val_loss": val_loss,
            "perplexity": lambda sums: np.exp(np.minimum(val_loss(sums), 700.0)),
        },
    )


KINDS: dict[
    str,
    tuple[tuple[str, ...], Callable[[Sequence[Sequence[Row]], Mapping[str, str]], Answers]],
] = {
    "classification": (("text", "reference"), _count_classification),
    "tagging": (("tokens", "reference"), _count_tagging),
    "translation": (("text", "reference"), _count_translation),
    LANGUAGE_MODEL: (("bytes",), _count_language_model),
}
"""By kind: the fields that tell a test example, and what counts the answers to it."""
