"""The gate: whether a challenger takes the place of the champion.

A champion is challenged after every training, and two kinds of luck can make an equal model look
better. One is that of the test set: a paired test on the same examples tells it from a real gain.
The other is that of the training: another seed gives another model, and on a large test set the
difference of two seeds is significant without being an improvement (Reimers & Gurevych 2017,
"Reporting Score Distributions Makes a Difference"). So the p-value has to be below alpha, and the
gain larger than both together explain at that alpha.

What a seed changes is not known before a model has been retrained. Bouthillier et al. 2021
("Accounting for Variance in Machine Learning Benchmarks", section 3) find that the choice of the
test examples varies scores more than the initial weights or the order of the data do: so the
standard error of the difference stands for it, until retraining has shown more.

Simulated: 20 challenges by equal models on 1,000 test examples, where seeds change the score by 0,
0.01, 0.03 and 0.05. With alpha = 0.05 alone 0.3, 0.5, 1.2 and 1.4 of 20 were promoted on average
(60 times each, up to four); with this gate 0.03, 0.08, 0.3 and 0.4 (100 times each), and never more
than one, nor where models share most of their mistakes. Spending alpha over the challenges (Foster
& Stine 2008) holds the sum down too, but leaves next to nothing for the hundredth night; here a
lucky champion is itself what the next challenger has to beat.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, stdev

from textmill.config import LANGUAGE_FLOORS, PromotionConfig
from textmill.errors import InputError, listed
from textmill.evaluation.metrics import Metric, leading, lower_is_better
from textmill.evaluation.significance import Answers, Difference, differences

MIN_RETRAINED = 2
"""Scores of one recipe with other seeds from which their spread is estimated."""


@dataclass(frozen=True)
class Decision:
    """Whether a challenger is promoted, and why."""

    is_promoted: bool
    reason: str


@dataclass(frozen=True)
class Cost:
    """What a model costs its user."""

    parameters: float
    seconds: float | None
    """Time to answer the test examples, if known."""


def below_floor(
    config: PromotionConfig,
    task: str,
    language: str,
    metrics: Sequence[Metric],
    scores: Mapping[str, float],
) -> Decision | None:
    """Return the refusal of a model that misses a floor of its task or language, or None.

    Args:
        config: the promotion section.
        task: the task, or `lm`.
        language: BCP 47 tag of what the model answers.
        metrics: of its kind of task.
        scores: by metric.

    Raises:
        InputError: a floor names a metric that the task does not have.
    """
    own = config.floors.get(task, {})
    for metric in own:
        if metric not in scores:
            raise InputError(
                f"promotion.floors.{task}.{metric}: the task has no such score; it has "
                f"{listed(name for name in scores if '/' not in name)}."
            )
    # Of a language's floors, those of other kinds of task say nothing of this one.
    shared = config.floors.get(f"{LANGUAGE_FLOORS}{language}", {})
    floors = [*own.items(), *((name, floor) for name, floor in shared.items() if name in scores)]
    for metric, floor in floors:
        if _gain(metrics, metric, floor, scores[metric]) < 0:
            side = "above the most" if lower_is_better(metrics, metric) else "below the least"
            return Decision(False, f"{metric} {scores[metric]:.4g} is {side} allowed, {floor:g}")
    return None


def decide_alone(
    metrics: Sequence[Metric], scores: Mapping[str, float], trivial: Mapping[str, float]
) -> Decision:
    """Return whether a model is promoted that has reached its floors and finds no champion.

    Args:
        metrics: of its kind of task.
        scores: by metric.
        trivial: those of a model that has learned next to nothing; none, if there is no such.
    """
    metric = leading(metrics).name
    if metric not in scores or metric not in trivial:
        return Decision(True, "the first")
    if _gain(metrics, metric, trivial[metric], scores[metric]) <= 0:
        pair = f"{metric} {scores[metric]:.4g} against {trivial[metric]:.4g}"
        return Decision(False, f"no better than the trivial model: {pair}")
    return Decision(True, "the first, and better than the trivial model")


def decide(
    config: PromotionConfig,
    answers: Answers,
    champion: Cost,
    challenger: Cost,
    retrained: Sequence[float] = (),
) -> Decision:
    """Return whether the challenger is promoted by the leading metric of its kind.

    Args:
        config: the promotion section.
        answers: of the champion, then of the challenger, to the same test examples.
        champion: what it costs.
        challenger: what it costs.
        retrained: scores, by that metric, of models that differ from the challenger in seeds alone.
    """
    metric = answers.leading
    found = differences(answers, 0, 1)[metric]
    old, new = (answers.values(model)[metric] for model in (0, 1))
    z = NormalDist().inv_cdf(1 - config.alpha)
    needed = z * _deviation_of_equals(config, found.gain.deviation, retrained)
    scores = f"{metric} {new:.4g} against {old:.4g}"
    if found.p_better < config.alpha and found.gain.value > needed:
        return Decision(
            True, f"better: {scores} (p {found.p_better:.2g}, luck explains {needed:.2g})"
        )
    saved = _saving(config, champion, challenger)
    if saved and _is_not_worse(found, z, config.margin * abs(old)):
        return Decision(True, f"not worse and cheaper: {scores}, {saved}")
    if found.gain.value <= 0:
        reason = "not better"
    elif found.p_better >= config.alpha:
        reason = f"not surely better (p {found.p_better:.2g}, needed {config.alpha:g})"
    else:
        reason = f"no more than another seed may change ({needed:.2g})"
    return Decision(False, f"{reason}: {scores}")


def _deviation_of_equals(
    config: PromotionConfig, standard_error: float, retrained: Sequence[float]
) -> float:
    """Return the standard deviation of the gain if both models came from one recipe.

    Of the variance of a difference the test set has one part, that the bootstrap tells, and the
    seeds have the other. The scores of retrained models vary by both at once.
    """
    assumed = math.hypot(1, config.seed_noise) * standard_error
    if len(retrained) < MIN_RETRAINED:
        return assumed
    return max(assumed, math.sqrt(2) * stdev(retrained))


def _is_not_worse(found: Difference, z: float, margin: float) -> bool:
    return found.gain.value - z * found.gain.deviation > -margin


def _saving(config: PromotionConfig, champion: Cost, challenger: Cost) -> str:
    """Return in words what the challenger saves; empty if that is not enough."""
    pairs = {
        "parameters": (champion.parameters, challenger.parameters),
        "seconds": (champion.seconds, challenger.seconds),
    }
    for name, (before, after) in pairs.items():
        if config.cheaper in (name, "either") and before and after is not None:
            share = 1 - after / before
            if share >= config.saving:
                return f"{share:.0%} fewer {name}"
    return ""


def _gain(metrics: Sequence[Metric], name: str, before: float, after: float) -> float:
    """Return how much better a score is than another, whatever its direction."""
    return before - after if lower_is_better(metrics, name) else after - before
