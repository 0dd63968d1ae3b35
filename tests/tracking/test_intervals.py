"""Specifies the confidence intervals of the scores of a pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from textmill.tracking import intervals as module
from textmill.tracking.intervals import Predictions, score_intervals


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
