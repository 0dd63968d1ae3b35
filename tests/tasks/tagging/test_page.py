"""Specifies how a tagger is shown."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import pytest

from textmill.evaluation.plots import plot_label_scores
from textmill.tasks.shown import Segment
from textmill.tasks.tagging.page import outcomes_by_type, plot, show


def n_pixels(file: Path) -> int:
    height, width, _ = matplotlib.image.imread(file).shape
    return int(height * width)


def test_an_entity_type_may_hold_a_slash(tmp_path: Path) -> None:
    scores = {f"type/GEO/LOC/{metric}": 0.5 for metric in ("precision", "recall", "f1")}
    plot_label_scores(scores | {"f1": 0.5}, "type/", tmp_path / "types.png")
    assert n_pixels(tmp_path / "types.png") > 0


def tagged(reference: str, tags: str) -> dict[str, object]:
    words = ["We", "met", "Ann", "Lee", "in", "Bath", "."]
    return {"tokens": words, "reference": reference.split(), "tags": tags.split(), "is_cut": False}


RIGHT = "O O B-PER I-PER O B-LOC O"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (RIGHT, [Segment("Ann Lee", "right", "PER"), Segment("Bath", "right", "LOC")]),
        (
            "O O B-PER I-PER O O O",
            [Segment("Ann Lee", "right", "PER"), Segment("Bath", "missed", "LOC")],
        ),
        (
            "B-ORG O B-PER I-PER O B-LOC O",
            [
                Segment("We", "spurious", "ORG"),
                Segment("Ann Lee", "right", "PER"),
                Segment("Bath", "right", "LOC"),
            ],
        ),
        (
            "O O B-ORG I-ORG O B-LOC O",
            [Segment("Ann Lee", "wrong", "PER → ORG"), Segment("Bath", "right", "LOC")],
        ),
        (
            "O O B-PER O O B-LOC I-LOC",
            [
                Segment("Ann Lee", "wrong", "PER → Ann PER"),
                Segment("Bath .", "wrong", "Bath LOC → LOC"),
            ],
        ),
        (
            "O O B-PER B-ORG O B-LOC O",
            [
                Segment("Ann Lee", "wrong", "PER → Ann PER, Lee ORG"),
                Segment("Bath", "right", "LOC"),
            ],
        ),
    ],
)
def test_entities_are_marked_by_how_they_compare(tags: str, expected: list[Segment]) -> None:
    example = show(tagged(RIGHT, tags))
    assert [part for part in example.segments if part.mark] == expected
    assert "".join(part.text for part in example.segments) == "We met Ann Lee in Bath ."
    assert example.is_right == (tags == RIGHT)


def test_entities_that_were_not_found_are_counted_by_type(tmp_path: Path) -> None:
    rows = [
        tagged(RIGHT, RIGHT),
        tagged(RIGHT, "O O B-PER O O B-ORG O"),
        tagged(RIGHT, "O O O O B-LOC O O"),
        tagged(RIGHT, "O O O B-ORG O O O"),
    ]
    found = outcomes_by_type(rows)
    assert found == {
        "LOC": {"found": 1, "other type": 1, "other words": 0, "missed": 2},
        "PER": {"found": 1, "other type": 0, "other words": 2, "missed": 1},
    }
    plot(rows, tmp_path)
    assert [file.name for file in sorted(tmp_path.iterdir())] == [
        "entity_scores.png",
        "found_and_missed_entities.png",
    ]
