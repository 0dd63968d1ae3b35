"""Specifies how answers are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from textmill.tasks.question_answering.page import plot, show
from textmill.tasks.shown import Segment

CONTEXT = "Ann is in the old barn."


def row(answer: str, *known: str) -> dict[str, Any]:
    start = CONTEXT.index(answer)
    return {
        "question": "Where is Ann?",
        "context": CONTEXT,
        "reference": [*known],
        "answer": answer,
        "start": start,
        "end": start + len(answer),
        "score": 0.5,
        "is_cut": False,
    }


@pytest.mark.parametrize(
    ("shown", "segment", "mistake"),
    [
        (row("old barn", "old barn", "barn"), Segment("old barn", "right"), None),
        (row("barn", "old barn"), Segment("barn", "wrong"), "part of the answer"),
        (row("Ann", "old barn"), Segment("Ann", "spurious"), "another part of the context"),
        (row("Ann"), Segment("Ann", "spurious"), "answer where there is none"),
        (row("Ann", "old barn"), Segment("old barn", "missed"), "another part of the context"),
        (row("", "old barn"), Segment("old barn", "missed"), "missed answer"),
        (row("", "[EMAIL]"), Segment(CONTEXT), "missed answer"),
        (row(""), Segment(CONTEXT), None),
    ],
)
def test_the_answer_is_marked_in_its_context(
    shown: dict[str, Any], segment: Segment, mistake: str | None
) -> None:
    page = show(shown)
    assert segment in page.segments
    assert "".join(part.text for part in page.segments) == CONTEXT
    assert page.mistakes == ({mistake} if mistake else set())
    assert page.is_right == (mistake is None)
    facts = dict(page.facts)
    assert facts["question"] == "Where is Ann?"
    assert facts["reference"] == ("; ".join(shown["reference"]) or "no answer")
    assert facts["prediction"] == (shown["answer"] or "no answer")


def test_the_plot_has_a_bar_for_each_kind_of_question(tmp_path: Path) -> None:
    plot([row("Ann", "Ann"), {**row("Ann", "x"), "question": "$x_$ 哪"}], tmp_path)
    assert (tmp_path / "questions.png").stat().st_size > 0
