"""Specifies the comparison of runs as Markdown and as plain values."""

from __future__ import annotations

import json

from textmill.evaluation.significance import Difference, Interval
from textmill.reports.side_by_side import (
    MAX_TABLE_ROWS,
    Comparison,
    Cost,
    Run,
    Score,
    differing,
    plain_values,
    render,
)

GAIN = Difference(Interval(0.02, -0.01, 0.05, 0.015), p_value=0.0004, p_better=0.0002)
NOTHING: dict[str, tuple[str, ...]] = {}


def comparison(**further: object) -> Comparison:
    values: dict[str, object] = {
        "runs": (
            Run("old", "1" * 32, "", "then", "textmill run"),
            Run("new", "2" * 32, "", "", ""),
        ),
        "settings": {"seed": ("0", "1"), "labels": ("a|b", "")},
        "data": NOTHING,
        "results": {"pretrain": ("d" * 64, "e" * 64)},
        "commits": NOTHING,
        "modules": NOTHING,
        "packages": NOTHING,
        "machine": NOTHING,
        "scores": (
            Score("mood", "accuracy", 0, 0.9, Interval(0.9, 0.88, 0.92, 0.01)),
            Score("mood", "accuracy", 1, 0.92, Interval(0.92, 0.9, 0.94, 0.01), GAIN),
            Score("mood", "class/good/f1", 0, 0.123456),
            Score("lm", "val_loss", 0, 1.5, note="no answers"),
            Score("lm", "bits_per_byte/de", 0, 1.25),
        ),
        "costs": (Cost("pretrain", (61.0, None), (2048.0, None), (True, False)),),
    }
    return Comparison(**(values | further))  # type: ignore[arg-type]


def cells(page: str, first: str) -> list[list[str]]:
    """The cells of the table rows that begin so."""
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith(f"| {first}")]
    return [[cell.strip("| ") for cell in row] for row in rows]


def test_scores_have_intervals_and_the_p_value_against_the_first() -> None:
    page = render(comparison())
    assert cells(page, "mood/accuracy") == [
        ["mood/accuracy", "1", "0.9", "0.88 to 0.92", "", "", ""],
        ["mood/accuracy", "2", "0.92", "0.9 to 0.94", "+0.02", "-0.01 to 0.05", "< 0.001"],
    ]
    assert cells(page, "lm/val_loss")[0][-1] == "no answers"
    assert cells(page, "lm/bits_per_byte/de")[0][2] == "1.25"
    assert "class/good" not in page


def test_differences_are_shown_and_equal_sections_are_stated() -> None:
    page = render(comparison())
    assert cells(page, "seed") == [["seed", "0", "1"]]
    assert "a\\|b" in page
    assert cells(page, "pretrain")[0] == ["pretrain", "d" * 12, "e" * 12]
    assert page.count("No differences.") == 5
    many = {f"key {i:03}": ("0", "1") for i in range(MAX_TABLE_ROWS + 7)}
    assert "… and 7 more" in render(comparison(packages=many))


def test_costs_say_what_was_reused_and_add_up() -> None:
    page = render(comparison())
    assert cells(page, "pretrain")[1] == ["pretrain", "1 min 01 s (reused)", "–", "2,048", "–"]
    assert cells(page, "all steps")[0][1:3] == ["1 min 01 s", "0.0 s"]


def test_plain_values_are_json_and_hold_all_metrics() -> None:
    values = json.loads(json.dumps(plain_values(comparison())))
    assert values["scores"][1]["against_first"]["p_value"] == 0.0004
    assert values["scores"][2]["metric"] == "class/good/f1"


def test_differing_keeps_what_is_not_equal_everywhere() -> None:
    values = [{"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}]
    assert differing(values) == {"b": ("2", "3"), "c": ("", "4")}


def test_what_is_memorized_is_shown_if_it_differs() -> None:
    assert "Memorization" not in render(comparison())
    page = render(comparison(audit={"lm/audit/exposure/16": ("2.500", "")}))
    assert cells(page, "lm/audit") == [["lm/audit/exposure/16", "2.500", "–"]]


def test_shares_of_passed_behaviour_tests_are_shown_if_they_differ() -> None:
    assert "Behaviour" not in render(comparison())
    page = render(comparison(behaviour={"mood/behaviour/negation": ("0.250", "")}))
    assert cells(page, "mood/behaviour") == [["mood/behaviour/negation", "0.250", "–"]]
