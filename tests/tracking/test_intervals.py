"""Specifies the confidence intervals of the scores of a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from textmill.evaluation.significance import Interval
from textmill.tasks.behaviour.verdicts import Verdict, write_verdicts
from textmill.tracking import intervals as module
from textmill.tracking.intervals import Predictions, score_intervals
from textmill.tracking.results import Result


def test_the_scores_of_a_task_and_of_its_slices_have_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [
        {
            "text": f"{number}",
            "label": "ab"[number % 2],
            "reference": "ab"[number % 3 > 0],
            "slices": {"site": "web" if number < 20 else "mail"},
        }
        for number in range(60)
    ]
    runs = {"1": object(), "2": object()}
    found = {runs["1"]: Predictions("classification", list(rows), {})}
    found[runs["2"]] = Predictions("classification", [], {})
    monkeypatch.setattr(module, "read_runs", lambda *_: runs)
    monkeypatch.setattr(module, "read_predictions", lambda _, run: found[run])
    results: Any = {
        "evaluate mood": type("Result", (), {"run_id": "1"}),
        "evaluate empty": type("Result", (), {"run_id": "2"}),
    }
    scores = score_intervals(object(), results)  # type: ignore[arg-type]
    right = [row["label"] == row["reference"] for row in rows]
    expected = {"mood/accuracy": right, "mood/slice/site/web/accuracy": right[:20]}
    expected["mood/slice/site/mail/accuracy"] = right[20:]
    for name, values in expected.items():
        share = sum(values) / len(values)
        assert scores[name].value == pytest.approx(share)
        assert scores[name].low < share < scores[name].high
    assert "mood/slice/site/web/f1_macro" in scores
    assert not [name for name in scores if "slice" in name and "class/" in name]
    assert not [name for name in scores if name.startswith("empty")]


def test_the_share_of_a_behaviour_test_has_that_of_its_different_cases(tmp_path: Path) -> None:
    def interval(nouns: str) -> Interval:
        verdicts = [
            Verdict("praise", "minimum", "", ("x",), ({"noun": noun},), ("y",), "z", number < 6)
            for number, noun in enumerate(nouns)
        ]
        write_verdicts(verdicts, tmp_path)
        result = Result("behaviour mood", "k", "r", "url", tmp_path, "d", is_reused=False)
        (found,) = score_intervals(object(), {"behaviour mood": result}).items()  # type: ignore[arg-type]
        assert found[0] == "mood/behaviour/praise"
        return found[1]

    independent = binomtest(6, 8).proportion_ci(method="wilson")
    assert interval("abcdefgh").low == pytest.approx(independent.low)
    assert interval("aaaabbbb").low < independent.low
