"""Specifies how multi-label classifiers are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from textmill.tasks.multilabel import page
from textmill.tasks.multilabel.page import plot, show

ROW = {
    "text": "fine",
    "reference": ["a", "b"],
    "labels": [{"label": "a", "score": 0.9}, {"label": "c", "score": 0.6}],
    "is_cut": False,
}


def test_a_prediction_is_shown_with_what_is_missed_and_spurious() -> None:
    shown = show(ROW)
    assert shown.facts == (
        ("reference", "a, b"),
        ("prediction", "a (90% sure), c (60% sure)"),
    )
    assert (shown.is_right, shown.certainty) == (False, 0.6)
    assert shown.mistakes == {"missed b", "spurious c"}


def test_no_label_is_shown_as_such() -> None:
    shown = show({"text": "t", "text_pair": "u", "reference": [], "labels": []})
    assert shown.facts == (
        ("second text", "u"),
        ("reference", "no label"),
        ("prediction", "no label"),
    )
    assert shown.is_right
    assert not shown.mistakes


def test_the_plot_has_the_labels_with_most_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plotted: dict[str, float] = {}
    monkeypatch.setattr(page, "plot_label_scores", lambda scores, *_: plotted.update(scores))
    monkeypatch.setattr(page, "MAX_LABELS", 2)
    plot([ROW, {"text": "t", "reference": ["d"], "labels": [{"label": "d"}]}], tmp_path)
    names = {name.split("/")[1] for name in plotted if name.startswith("class/")}
    assert names == {"b", "c"}


def test_the_plot_is_written_also_without_any_label(tmp_path: Path) -> None:
    plot([ROW], tmp_path)
    assert (tmp_path / "label_scores.png").read_bytes().startswith(b"\x89PNG")
    plot([{"text": "t", "reference": [], "labels": []}], tmp_path)
