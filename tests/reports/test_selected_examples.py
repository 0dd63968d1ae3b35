"""Specifies which test examples are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textmill.reports.selected_examples import Examples, choose_examples
from textmill.tasks.shown import page_of


def labelled(label: str, reference: str, score: float) -> dict[str, object]:
    return {"text": f"{score}", "reference": reference, "label": label, "score": score}


def tagged(reference: str, tags: str) -> dict[str, object]:
    words = ["We", "met", "Ann", "Lee", "in", "Bath", "."]
    return {"tokens": words, "reference": reference.split(), "tags": tags.split(), "is_cut": False}


def chosen(kind: str, rows: Sequence[Mapping[str, object]], n_right: int, n_wrong: int) -> Examples:
    return choose_examples([*map(page_of(kind).show, rows)], n_right, n_wrong)


RIGHT = "O O B-PER I-PER O B-LOC O"


def test_right_and_wrong_examples_are_counted() -> None:
    rows = [labelled("a", "a", 0.9), labelled("a", "b", 0.8), labelled("b", "b", 0.7)]
    found = chosen("classification", rows, 1, 5)
    assert (found.n_right, found.n_wrong) == (2, 1)
    assert (len(found.right), len(found.wrong)) == (1, 1)
    assert found.wrong[0].facts == (("reference", "b"), ("prediction", "a (80% sure)"))


def test_the_surest_mistakes_come_first() -> None:
    rows = [labelled("a", "b", score) for score in (0.5, 0.9, 0.7)]
    shown = chosen("classification", rows, 0, 2).wrong
    assert [example.certainty for example in shown] == [0.9, 0.7]


def test_selected_mistakes_are_diverse() -> None:
    same = [
        {"text": f"the same sentence, number {i}", "reference": "a", "label": "b", "score": 0.99}
        for i in range(20)
    ]
    others = [
        {"text": "quite another text", "reference": "b", "label": "a", "score": 0.6},
        {"text": "没有空格的文字", "reference": "c", "label": "a", "score": 0.5},
    ]
    shown = chosen("classification", same + others, 0, 3).wrong
    texts = [example.segments[0].text for example in shown]
    assert texts[0] == "the same sentence, number 0"
    assert set(texts[1:]) == {"quite another text", "没有空格的文字"}


def test_right_examples_are_spread_over_the_file() -> None:
    rows = [labelled("a", "a", i / 10) for i in range(10)]
    shown = chosen("classification", rows, 2, 0).right
    assert [example.segments[0].text for example in shown] == ["0.0", "0.5"]


def test_right_examples_with_entities_come_before_those_without() -> None:
    empty = tagged(" ".join("O" * 7), " ".join("O" * 7))
    shown = chosen("tagging", [empty, tagged(RIGHT, RIGHT)], 2, 0)
    assert [bool(example.segments[1:]) for example in shown.right] == [True]
