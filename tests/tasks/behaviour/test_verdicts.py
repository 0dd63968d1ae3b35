"""Specifies the shares of passed cases of behaviour tests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from textmill.tasks.behaviour.verdicts import (
    VERDICTS,
    Verdict,
    from_rows,
    metrics_of_tests,
    summarized,
    write_verdicts,
)


def verdict(test: str, is_passed: bool) -> Verdict:
    return Verdict(test, "minimum", "", ("a\u2028b",), ({"noun": "a"},), ("x",), "y", is_passed)


def test_every_test_counts_alike_in_the_mean() -> None:
    verdicts = [verdict("a", True), *[verdict("b", n == 0) for n in range(4)]]
    found = summarized(verdicts)
    assert [(one.test, one.n_cases, len(one.failed)) for one in found] == [("a", 1, 0), ("b", 4, 3)]
    assert metrics_of_tests(found) == pytest.approx(
        {"behaviour/a": 1, "behaviour/b": 0.25, "behaviour/mean": 0.625}
    )


def test_cases_are_grouped_by_the_slots_that_have_several_values() -> None:
    values: tuple[tuple[dict[str, str], ...], ...] = (
        ({"noun": "film", "town": "Rome"}, {"noun": "film", "town": "Oslo"}),
        ({"noun": "plot", "town": "Rome"}, {"noun": "plot", "town": "Kyiv"}),
        ({"noun": "film"}, {"noun": "film"}),
    )
    cases = [replace(verdict("a", number < 2), values=of) for number, of in enumerate(values)]
    (found,) = summarized(cases)
    assert found.outcomes == [True, True, False]
    # The town before the change is always the same, and the last template has none.
    of_noun = ["film", "plot", "film"]
    assert found.groupings == [of_noun, of_noun, ["Oslo", "Kyiv", 2]]


def test_outcomes_are_read_as_they_were_written(tmp_path: Path) -> None:
    verdicts = [verdict("a", True), verdict("b", False), verdict("a", False)]
    write_verdicts(verdicts, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / VERDICTS).read_text().split("\n") if line]
    assert from_rows(rows) == summarized(verdicts)
