"""Specifies which test examples are shown, and how, by kind of task."""

from __future__ import annotations

import pytest

from textmill.config import AnyTask
from textmill.reports.examples import SHOWERS, Segment, choose_examples


def labelled(label: str, reference: str, score: float) -> dict[str, object]:
    return {"text": f"{score}", "reference": reference, "label": label, "score": score}


def tagged(reference: str, tags: str) -> dict[str, object]:
    words = ["We", "met", "Ann", "Lee", "in", "Bath", "."]
    return {"tokens": words, "reference": reference.split(), "tags": tags.split(), "is_cut": False}


RIGHT = "O O B-PER I-PER O B-LOC O"


def test_every_kind_of_task_can_be_shown() -> None:
    kinds = {t.model_fields["kind"].annotation.__args__[0] for t in AnyTask.__args__[0].__args__}
    assert kinds <= SHOWERS.keys()


def test_right_and_wrong_are_told_apart_and_counted() -> None:
    rows = [labelled("a", "a", 0.9), labelled("a", "b", 0.8), labelled("b", "b", 0.7)]
    found = choose_examples("classification", rows, 1, 5)
    assert (found.n_right, found.n_wrong) == (2, 1)
    assert (len(found.right), len(found.wrong)) == (1, 1)
    assert found.wrong[0].facts == (("reference", "b"), ("prediction", "a (80% sure)"))


def test_the_surest_mistakes_come_first() -> None:
    rows = [labelled("a", "b", score) for score in (0.5, 0.9, 0.7)]
    shown = choose_examples("classification", rows, 0, 2).wrong
    assert [example.certainty for example in shown] == [0.9, 0.7]


def test_mistakes_of_many_kinds_are_shown_rather_than_one_sentence_again_and_again() -> None:
    same = [
        {"text": f"the same sentence, number {i}", "reference": "a", "label": "b", "score": 0.99}
        for i in range(20)
    ]
    others = [
        {"text": "quite another text", "reference": "b", "label": "a", "score": 0.6},
        {"text": "没有空格的文字", "reference": "c", "label": "a", "score": 0.5},
    ]
    shown = choose_examples("classification", same + others, 0, 3).wrong
    texts = [example.segments[0].text for example in shown]
    assert texts[0] == "the same sentence, number 0"
    assert set(texts[1:]) == {"quite another text", "没有空格的文字"}


def test_right_examples_are_spread_over_the_file() -> None:
    rows = [labelled("a", "a", i / 10) for i in range(10)]
    shown = choose_examples("classification", rows, 2, 0).right
    assert [example.segments[0].text for example in shown] == ["0.0", "0.5"]


def test_an_unknown_kind_shows_nothing() -> None:
    assert choose_examples("question_answering", [{"context": "x"}], 3, 3).n_right == 0


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
    example = SHOWERS["tagging"](tagged(RIGHT, tags))
    assert [part for part in example.segments if part.mark] == expected
    assert "".join(part.text for part in example.segments) == "We met Ann Lee in Bath ."
    assert example.is_right == (tags == RIGHT)


def test_right_examples_with_entities_come_before_those_without() -> None:
    empty = tagged(" ".join("O" * 7), " ".join("O" * 7))
    shown = choose_examples("tagging", [empty, tagged(RIGHT, RIGHT)], 2, 0)
    assert [bool(example.segments[1:]) for example in shown.right] == [True]


def test_a_translation_stands_below_its_source_and_reference() -> None:
    row = {"text": "Guten Tag", "reference": "Hello", "translation": "Hi", "is_cut": True}
    found = choose_examples("translation", [row, row | {"translation": "Hello "}], 3, 3)
    assert (found.n_right, found.n_wrong) == (1, 1)
    assert found.wrong[0].segments == (Segment("Guten Tag"),)
    assert found.wrong[0].facts == (
        ("reference", "Hello"),
        ("translation", "Hi"),
        ("note", "longer than the context, cut"),
    )
