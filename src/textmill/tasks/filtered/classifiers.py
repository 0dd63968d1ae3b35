"""Classifiers as filters: the probability that a text has one of the labels that are harmful."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from textmill.config import CLASSIFYING_KINDS, FilterConfig
from textmill.errors import InputError, listed
from textmill.safety.filtering.detectors import Scorer
from textmill.tasks.classification.answers import MAX_DETAILED_LABELS
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.kinds import answers_of


def scorer_of(rule: FilterConfig, predictor: Predictor) -> Scorer:
    """Return the scorer of a filter with a model.

    Raises:
        InputError: the model is no classifier of single texts, or has no such label.
    """
    check_classifier(rule, predictor.kind_name, predictor.spec)
    return partial(_scores, predictor, rule.labels)


def check_classifier(rule: FilterConfig, kind: str, spec: Any) -> None:
    """Raise InputError if a model cannot be that of a filter.

    Args:
        rule: the filter.
        kind: of the model's task.
        spec: of the model.
    """
    if kind not in CLASSIFYING_KINDS or len(answers_of(kind).columns(spec)) > 1:
        raise InputError(
            f"safety.filters: the model {rule.model} of {rule.category} does not classify single "
            "texts: name a classification task without text_pair."
        )
    labels = spec.labels
    if len(labels) > MAX_DETAILED_LABELS:
        raise InputError(
            f"safety.filters: the model {rule.model} of {rule.category} has more than "
            f"{MAX_DETAILED_LABELS} labels: train one with fewer."
        )
    for label in rule.labels:
        if label not in labels:
            raise InputError(
                f"safety.filters: the model {rule.model} has no label {label!r}: choose from "
                f"{listed(labels)}."
            )


def _scores(predictor: Predictor, labels: Sequence[str], texts: Sequence[str]) -> list[float]:
    """Return the probability of each text that one of the labels applies."""
    # Of labels that exclude each other, the sum; others are no more probable than the likeliest.
    combine = sum if predictor.kind_name == "classification" else max
    scored = predictor.stream_weighted(texts, [predictor.weights], with_details=True)
    return [float(combine(one["probabilities"][name] for name in labels)) for (one,) in scored]
