"""The choice of a task's model: the fine-tuned network, the classical baseline, or their average.

On small data, a linear model on n-grams is often as good as a network, and their mistakes differ,
so that the average is often better than both (Wang & Manning 2012 interpolate two models for this
reason). Validation examples decide; test examples are never used.

The baseline is the simplest candidate: another one has to be better by more than the standard error
of the difference (the one-standard-error rule, Breiman et al. 1984, section 3.4.3), as the best of
several scores on few examples is often the luckiest. The best ones may also be better by their
likelihood, which tells models apart whose answers are equally good, such as all right.

The weights of an average calibrate it. A single model whose answers are the likeliest ones has a
temperature instead (Guo et al. 2017, section 4.2), which is the inverse of its weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from textmill.config import TaskConfig
from textmill.evaluation.jackknife import standard_error
from textmill.evaluation.metrics import Row, leading, lower_is_better
from textmill.tasks.ensemble.averaging import MIN_PROBABILITY, average, fit_weights, stack
from textmill.tasks.ensemble.model_folder import Choice, network_name
from textmill.tasks.ensemble.predictor import Scorer, score_in_batches
from textmill.tasks.inputs import size_of
from textmill.tasks.kinds import (
    BASELINE,
    NETWORK,
    Answers,
    answers_of,
    baselines_of,
    definitions,
    examples_of,
)
from textmill.tasks.predictions import score

MAX_COMPARED = 2000
"""Maximum validation examples that decide: the network has to predict all of them."""


def choose(
    config: TaskConfig,
    spec: Any,
    networks: Sequence[nn.Module],
    scorers: Sequence[Scorer],
    splits: tuple[Sequence[Any], Sequence[Any]],
    examples: Sequence[Any],
) -> Choice:
    """Return the best of the configured candidates.

    Args:
        config: the task.
        spec: the kind's settings of the model.
        networks: the fine-tuned networks, whose average is a single candidate.
        scorers: compute their scores.
        splits: the examples that they were trained on, and those that no candidate has seen.
        examples: the examples that the classical baseline is fitted on once it has been chosen, as
            when it is evaluated on its own.
    """
    kind, baselines = answers_of(config.kind), baselines_of(config.kind)
    names: list[str] = [*config.finetune.candidates]
    if kind.targets is None and "average" in names:
        names = [name for name in names if name != "average"] or ["network"]
    members: dict[str, dict[str, float]] = {"network": {NETWORK: 1.0}, "baseline": {BASELINE: 1.0}}
    found: dict[str, float] = {}
    chosen = names[0]
    train, validation = splits
    fitted = baselines.fit(spec, train) if set(names) - {"network"} else None
    specs = dict.fromkeys(members, spec)
    is_decided = len(names) > 1 or "average" in names or kind.fit_decision is not None
    if is_decided or _is_likeliest(kind):
        compared = Compared(config, spec, validation)
        scores: dict[str, list[Any]] = {}
        if names != ["baseline"]:
            scores[NETWORK] = compared.pooled(scorers)
        if fitted is not None:
            scores[BASELINE] = compared.scores(fitted.score)
        if "average" in names:
            members["average"], scores["average"] = compared.average(scores)
            sole = [name for name, weight in members["average"].items() if weight]
            if len(sole) == 1 and len(names) > 1:  # it is that one, even if that is no candidate
                names = [*dict.fromkeys(sole[0] if n == "average" else n for n in names)]
        specs = {name: compared.fitted_spec(scores[name]) for name in names}
        rows = {name: compared.rows(specs[name], scores[name]) for name in names}
        found = {name: compared.score(rows[name]) for name in names}
        chosen = best_candidate(compared, found, rows, scores)
        if chosen != "average" and _is_likeliest(kind):
            (member,) = members[chosen]
            members[chosen], _ = compared.average({member: scores[member]})
    baseline = fitted if BASELINE in members[chosen] else None
    if baseline is not None and examples is not train:
        baseline = baselines.fit(spec, examples)
    n_parameters = baseline.n_parameters if baseline is not None else 0
    if NETWORK in members[chosen]:
        for network in networks:
            n_parameters += sum(parameter.numel() for parameter in network.parameters())
    return Choice(
        _apart(members[chosen], len(networks)),
        baseline,
        _describe(config.kind, chosen, found, len(networks)),
        {"parameters": n_parameters, **{f"candidate/{name}": found[name] for name in found}},
        specs[chosen],
    )


def best_candidate(
    compared: Compared,
    found: Mapping[str, float],
    rows: Mapping[str, Sequence[Row]],
    scores: Mapping[str, Sequence[Any]],
) -> str:
    """Return the name of the best candidate, by the rules above.

    Args:
        compared: the validation examples.
        found: the leading metric of each candidate.
        rows: the predictions of each.
        scores: from which these follow.
    """
    is_loss = lower_is_better(definitions(compared.config.kind), compared.metric)
    best = (min if is_loss else max)(found.values())
    names = [name for name in found if name != BASELINE and found[name] == best]
    if not names:
        return BASELINE
    if BASELINE not in found or compared.is_better(rows[names[0]], rows[BASELINE]):
        return names[0]
    if compared.kind.targets is None:
        return BASELINE

    def calibrated(name: str) -> list[Any]:
        return compared.average({name: scores[name]})[1]

    simple = calibrated(BASELINE)
    return next((n for n in names if compared.is_likelier(calibrated(n), simple)), BASELINE)


def _is_likeliest(kind: Answers) -> bool:
    """Return whether answers are the likeliest ones, which no temperature changes."""
    return kind.targets is not None and kind.fit_decision is None


class Compared:
    """The validation examples, on which candidates are compared.

    Args:
        config: the task.
        spec: the kind's settings of the model.
        examples: of more than MAX_COMPARED, a sample is used, as files may be sorted by label.
    """

    def __init__(self, config: TaskConfig, spec: Any, examples: Sequence[Any]) -> None:
        self.config, self.spec, self.kind = config, spec, answers_of(config.kind)
        self.metric = leading(definitions(config.kind)).name
        read = examples_of(config.kind)
        if len(examples) > MAX_COMPARED:
            order = np.random.default_rng(config.finetune.seed).permutation(len(examples))
            examples = [examples[i] for i in order[:MAX_COMPARED]]
        # Batches of similar lengths need little padding.
        self.examples = sorted(examples, key=lambda example: size_of(read.model_input(example)))
        inputs = [read.model_input(example) for example in self.examples]
        self.prepared = self.kind.prepare(spec, inputs, config.redaction)

    def scores(self, scorer: Scorer) -> list[Any]:
        """Return the scores of each example by a model."""
        return list(score_in_batches(scorer, self.prepared, self.kind.PREDICT_BATCH))

    def pooled(self, scorers: Sequence[Scorer]) -> list[Any]:
        """Return the scores of each example by the average of networks, with equal weights."""
        scores = [self.scores(scorer) for scorer in scorers]
        if len(scores) == 1:
            return scores[0]
        weights = [1 / len(scores)] * len(scores)
        return [average(parts, weights) for parts in zip(*scores, strict=True)]

    def average(self, scores: Mapping[str, Sequence[Any]]) -> tuple[dict[str, float], list[Any]]:
        """Return the fitted weights of the average of models, and its scores."""
        rows = [stack(of) for of in scores.values()]
        weights = fit_weights(rows, np.concatenate(self._targets()))
        averaged = [average(parts, weights) for parts in zip(*scores.values(), strict=True)]
        return dict(zip(scores, weights, strict=True)), averaged

    def _targets(self) -> list[Sequence[int]]:
        assert self.kind.targets is not None
        return [self.kind.targets(self.spec, example) for example in self.examples]

    def is_likelier(self, scores: Sequence[Any], others: Sequence[Any]) -> bool:
        """Return whether a model's log-likelihood is better by more than the standard error."""
        gains = self._log_likelihoods(scores) - self._log_likelihoods(others)
        if len(gains) < 2:
            return False  # the standard error of one example is unknown
        return bool(gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)))

    def _log_likelihoods(self, scores: Sequence[Any]) -> NDArray[np.float64]:
        """Return the log-likelihood of the correct labels of each example, (examples,)."""
        right = (
            np.atleast_2d(part)[np.arange(len(labels)), labels]
            for part, labels in zip(scores, self._targets(), strict=True)
        )
        return np.array([np.log(np.maximum(part, MIN_PROBABILITY)).sum() for part in right])

    def fitted_spec(self, scores: Sequence[Any]) -> Any:
        """Return the settings of a model with the decision fitted to its scores."""
        fit_decision = self.kind.fit_decision
        return fit_decision(self.spec, scores, self.examples) if fit_decision else self.spec

    def rows(self, spec: Any, scores: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the examples with the predictions that follow from a model's scores."""
        reference = examples_of(self.config.kind).reference
        answers = self.kind.answer(spec, self.prepared, scores)
        return [reference(e) | a for e, a in zip(self.examples, answers, strict=True)]

    def score(self, rows: Sequence[Row]) -> float:
        """Return the leading metric of a model's rows."""
        return score(self.config, rows)[self.metric]

    def is_better(self, rows: Sequence[Row], baseline: Sequence[Row]) -> bool:
        """Return whether a model is better than the baseline by more than the standard error."""
        sign = -1.0 if lower_is_better(definitions(self.config.kind), self.metric) else 1.0

        def gain(is_kept: NDArray[np.bool_]) -> float:
            new, old = (self.score([*compress(of, is_kept)]) for of in (rows, baseline))
            return sign * (new - old)

        return gain(np.ones(len(rows), np.bool_)) > standard_error(len(rows), gain)


def _apart(members: Mapping[str, float], n_networks: int) -> dict[str, float]:
    """Return the members with each network by itself, among which the weight is divided.

    An average is a product of powers, so that of all members is the same.
    """
    return {
        name: weight / (n_networks if member == NETWORK else 1)
        for member, weight in members.items()
        for name in (map(network_name, range(n_networks)) if member == NETWORK else (member,))
    }


def _describe(kind: str, chosen: str, scores: Mapping[str, float], n_networks: int) -> str:
    """Return what a model is, and the validation scores that decided."""
    simple = f"the classical baseline ({baselines_of(kind).CLASSICAL_BASELINE.replace('_', ' ')})"
    network = "the fine-tuned network"
    several = f"the average of {n_networks} fine-tuned networks"
    descriptions = {
        "network": network if n_networks == 1 else several,
        "baseline": simple,
        "average": f"{several if n_networks > 1 else f'the average of {network}'} and {simple}",
    }
    if len(scores) < 2:
        return descriptions[chosen]
    metric = leading(definitions(kind)).name
    listed = ", ".join(f"{name} {score:.4g}" for name, score in scores.items())
    rule = "; no other is better by a standard error" if chosen == BASELINE else ""
    return f"{descriptions[chosen]}, chosen by validation {metric} ({listed}){rule}"
