"""Specifies the scores of an audit."""

from __future__ import annotations

import json

import pytest

from tests.memorized import make_audit
from textmill.evaluation.metrics import lower_is_better
from textmill.tasks.language_model.memorization.memorized import METRICS, Audit

SCORES = {
    "audit/exposure/1": 2.0,
    "audit/extracted/1": 0.0,
    "audit/exposure/8": 12.0,
    "audit/extracted/8": 1.0,
    "audit/verbatim/train": 0.25,
    "audit/verbatim/validation": 0.0,
    "audit/verbatim/excess": 0.25,
}


def test_scores_by_hand() -> None:
    assert make_audit().metrics() == pytest.approx(SCORES)


def test_lower_is_better_for_each() -> None:
    assert all(lower_is_better(METRICS, name) for name in SCORES)


def test_a_split_without_excerpts_has_no_score() -> None:
    found = make_audit().model_copy(update={"excerpts": {"train": (True,), "validation": ()}})
    assert [name for name in found.metrics() if "verbatim" in name] == ["audit/verbatim/train"]


def test_it_is_read_as_it_was_written() -> None:
    found = make_audit()
    assert Audit.model_validate(json.loads(json.dumps(found.model_dump()))) == found
