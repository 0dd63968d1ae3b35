"""The gate: decides whether a challenger replaces the champion.

A champion is challenged after every training, and two sources of variance can make an equal model
look better. The first is the sample of test examples: a paired test on the same examples accounts
for it. The second is the training: with another seed, the model differs, and on a large test set
the difference between two seeds is significant without being an improvement (Reimers & Gurevych
2017, "Reporting Score Distributions Makes a Difference"). So the p-value must be below alpha, and
the gain larger than both sources explain at that alpha.

Before that, a challenger must not be worse than a simple model, which needs no champion and is
cheaper to train and to explain: here, a difference counts even if it is not significant.

The variance between seeds is unknown until a model has been retrained. Bouthillier et al. 2021
("Accounting for Variance in Machine Learning Benchmarks", section 3) find that the sample of test
examples varies scores more than initial weights or data order: so the variance between seeds is
assumed from the standard error of the difference, until retraining, the networks of a model with
several seeds, or a cross-validation have shown more.

Simulation: 20 challenges by equal models on 1,000 test examples, where seeds change the score by 0,
0.01, 0.03 and 0.05. With alpha = 0.05 alone, 0.3, 0.5, 1.2 and 1.4 of 20 were promoted on average
(60 repetitions each, up to four); with this gate 0.03, 0.08, 0.3 and 0.4 (100 repetitions each),
never more than one, and none if models share most of their mistakes. Alpha spending over the
challenges (Foster & Stine 2008) bounds the total as well, but leaves almost nothing for the
hundredth challenge; here, the next challenger has to beat a champion that was promoted by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from textmill.config import (
    AUDIT_SCORES,
    BEHAVIOUR_SCORES,
    BIAS_SCORES,
    LANGUAGE_FLOORS,
    VERBATIM_SCORES,
    PromotionConfig,
)
from textmill.errors import InputError, listed
from textmill.evaluation.metrics import Metric, leading, lower_is_better
from textmill.evaluation.significance import Difference, ExampleStatistics, differences
from textmill.evaluation.spreads import Spread

FURTHER = (BEHAVIOUR_SCORES, BIAS_SCORES, AUDIT_SCORES)
"""Prefixes of the scores that can have floors besides those of evaluations."""
BIAS = Metric(BIAS_SCORES.rstrip("/"), lower_is_better=True)
"""The scores of bias reports."""
MIN_RETRAINED = 2
"""Minimum number of scores with different seeds to estimate their standard deviation."""


@dataclass(frozen=True)
class Decision:
    """Whether a challenger is promoted, and why."""

    is_promoted: bool
    reason: str
    is_final: bool = True
    """False: the next run decides again, as nothing was compared."""


@dataclass(frozen=True)
class Cost:
    """The inference cost of a model."""

    parameters: float
    seconds: float | None
    """Prediction time for the test examples, if known."""


@dataclass(frozen=True)
class Reference:
    """A simple model, evaluated on the challenger's test examples."""

    name: str
    scores: Mapping[str, float]


def below_floor(
    config: PromotionConfig,
    task: str,
    language: str,
    metrics: Sequence[Metric],
    scores: Mapping[str, float],
) -> Decision | None:
    """Return the rejection of a model that is below a floor of its task or language, or None.

    Args:
        config: the promotion section.
        task: the task, or `lm`.
        language: BCP 47 tag of the model's predictions.
        metrics: of its kind of task.
        scores: by metric; also the shares of passed behaviour tests, those of a bias report, and
            what a backbone has memorized.

    Raises:
        InputError: a floor is set for a metric that the task, or its audit, does not have.
    """
    own, metrics = config.floors.get(task, {}), (*metrics, BIAS)
    for metric in own:
        if metric not in scores:
            group = next((prefix for prefix in FURTHER if metric.startswith(prefix)), "")
            alike = (name for name in scores if name.startswith(group))
            known = [name for name in alike if group or "/" not in name]
            reason = "the task has no such score: use"
            if metric.startswith(VERBATIM_SCORES):
                reason = (
                    "the audit found no text of the tokens that it needs: lower audit.prompt_tokens"
                    " or audit.continuation_tokens, remove the floor, or use"
                )
            raise InputError(
                f"promotion.floors.{task}.{metric}: {reason} one of {listed(known) or '(none)'}."
            )
    # Floors of a language may include metrics of other kinds of task.
    shared = config.floors.get(f"{LANGUAGE_FLOORS}{language}", {})
    floors = [*own.items(), *((name, floor) for name, floor in shared.items() if name in scores)]
    for metric, floor in floors:
        if _gain(metrics, metric, floor, scores[metric]) < 0:
            side = "above the maximum" if lower_is_better(metrics, metric) else "below the minimum"
            return Decision(False, f"{metric} {scores[metric]:.4g} is {side} of {floor:g}")
    return None


def worse_than(
    reference: Reference | None, metrics: Sequence[Metric], scores: Mapping[str, float]
) -> str:
    """Return by how much a model is worse than a reference; empty if it is not, or unknown.

    Args:
        reference: the simple model; None: none is required.
        metrics: of their kind of task; the leading one decides.
        scores: of the model on the same test examples, by metric.
    """
    gain = _gain_over(reference, metrics, scores) if reference else None
    if reference is None or gain is None or gain >= 0:
        return ""
    return f"worse than the {reference.name}: {_pair(reference, metrics, scores)}"


def decide_alone(
    metrics: Sequence[Metric],
    scores: Mapping[str, float],
    trivial: Reference,
    reference: Reference | None,
) -> Decision:
    """Return whether a model that is not worse than the reference becomes the first champion.

    Args:
        metrics: of its kind of task.
        scores: by metric.
        trivial: the trivial model; a model that equals it has learned nothing.
        reference: the required simple model, possibly the trivial one; None: none is required.
    """
    if reference is None:
        return Decision(True, "the first")
    gain = _gain_over(trivial, metrics, scores)
    if gain is not None and gain <= 0:
        pair = _pair(trivial, metrics, scores)
        return Decision(False, f"no better than the {trivial.name}: {pair}")
    gain = _gain_over(reference, metrics, scores)
    if gain is None:
        return Decision(True, "the first")
    word = "better than" if gain > 0 else "equal to"
    return Decision(True, f"the first, and {word} the {reference.name}")


def decide(
    config: PromotionConfig,
    examples: ExampleStatistics,
    champion: Cost,
    challenger: Cost,
    retrained: Sequence[float] = (),
    spreads: Sequence[Spread] = (),
    trainings: Sequence[float] = (),
) -> Decision:
    """Return whether the challenger is promoted by the leading metric of its kind.

    Args:
        config: the promotion section.
        examples: statistics of champion and challenger (in this order) on the same test examples.
        champion: inference cost of the champion.
        challenger: inference cost of the challenger.
        retrained: scores by the leading metric of models that differ from the challenger only in
            seeds.
        spreads: the leading metric over the seeds of each of both models that has several networks.
        trainings: standard deviations of the leading metric between trainings, of each of both
            models that was cross-validated.
    """
    metric = examples.leading
    found = differences(examples, 0, 1)[metric]
    old, new = (examples.values(model)[metric] for model in (0, 1))
    z = NormalDist().inv_cdf(1 - config.alpha)
    needed = z * _deviation_of_equals(config, found.gain.deviation, retrained, spreads, trainings)
    scores = f"{metric} {new:.4g} against {old:.4g}"
    if found.p_better < config.alpha and found.gain.value > needed:
        return Decision(
            True, f"better: {scores} (p {found.p_better:.2g}, chance explains {needed:.2g})"
        )
    saved = _saving(config, champion, challenger)
    if saved and _is_not_worse(found, z, config.margin * abs(old)):
        return Decision(True, f"not worse and cheaper: {scores}, {saved}")
    if found.gain.value <= 0:
        reason = "not better"
    elif found.p_better >= config.alpha:
        reason = f"not significantly better (p {found.p_better:.2g}, required {config.alpha:g})"
    else:
        reason = f"within the variance of trainings ({needed:.2g})"
    return Decision(False, f"{reason}: {scores}")


def _deviation_of_equals(
    config: PromotionConfig,
    standard_error: float,
    retrained: Sequence[float],
    spreads: Sequence[Spread],
    trainings: Sequence[float],
) -> float:
    """Return the standard deviation of the gain between models that differ only in seeds.

    The variance of the difference has a part from the test set, estimated by the bootstrap, and a
    part from seeds. The scores of retrained models, and those of a model's networks, vary by both.
    A spread stands for that of the other model if this has a single network. The trainings of a
    cross-validation also differ in their examples: they vary at least as much as seeds.
    """
    found = [math.hypot(1, config.seed_noise) * standard_error]
    if len(retrained) >= MIN_RETRAINED:
        found.append(math.sqrt(2) * stdev(retrained))
    if spreads:
        variances = [spread.deviation_of_average**2 for spread in spreads]
        found.append(math.sqrt(2 * fmean(variances)))
    if trainings:
        found.append(math.sqrt(2 * fmean(deviation**2 for deviation in trainings)))
    return max(found)


def _is_not_worse(found: Difference, z: float, margin: float) -> bool:
    return found.gain.value - z * found.gain.deviation > -margin


def _saving(config: PromotionConfig, champion: Cost, challenger: Cost) -> str:
    """Return a description of the challenger's saving; empty if it is not enough."""
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


def _gain_over(
    reference: Reference, metrics: Sequence[Metric], scores: Mapping[str, float]
) -> float | None:
    """Return the gain over a reference by the leading metric; None if one lacks it."""
    metric = leading(metrics).name
    if metric not in scores or metric not in reference.scores:
        return None
    return _gain(metrics, metric, reference.scores[metric], scores[metric])


def _pair(reference: Reference, metrics: Sequence[Metric], scores: Mapping[str, float]) -> str:
    metric = leading(metrics).name
    return f"{metric} {scores[metric]:.4g} against {reference.scores[metric]:.4g}"


def _gain(metrics: Sequence[Metric], name: str, before: float, after: float) -> float:
    """Return the improvement of a score, positive if it is better."""
    return before - after if lower_is_better(metrics, name) else after - before
