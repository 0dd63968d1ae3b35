"""Specifies the labels that people give to texts with any number of them."""

from __future__ import annotations

import pytest

from textmill.tasks.multilabel import labelling
from textmill.tasks.multilabel.examples import Spec
from textmill.tasks.multilabel.settings import MultilabelConfig

SPEC = Spec(("art", "money", "war"), shares=(0.5, 0.25, 0.25), threshold=0.4)
CONFIG = MultilabelConfig(kind="multilabel", name="topics", train="a", test="b")


def test_a_model_is_least_sure_where_a_label_is_nearest_to_the_threshold() -> None:
    labels = [{"label": "war", "score": 0.9}, {"label": "art", "score": 0.7}]
    answer = {"labels": labels, "probabilities": {"art": 0.7, "money": 0.3, "war": 0.9}}
    assert labelling.uncertainty(SPEC, answer) == pytest.approx(0.9)
    assert labelling.uncertainty(SPEC, {"labels": labels}) == pytest.approx(0.7)
    assert labelling.uncertainty(SPEC, {"labels": []}) == 1
    assert labelling.predicted(answer) == ["art", "war"]


def test_labels_of_a_file_are_a_list_or_a_text() -> None:
    assert labelling.column(CONFIG) == "labels"
    assert labelling.known(CONFIG, SPEC, ["war", "art"]) == ["art", "war"]
    assert labelling.known(CONFIG, SPEC, "war, art") == ["art", "war"]
    assert labelling.known(CONFIG, SPEC, []) == []
    with pytest.raises(ValueError, match="'peace' does not occur"):
        labelling.known(CONFIG, SPEC, ["peace"])


def test_a_person_types_several_labels_or_none() -> None:
    assert labelling.typed(SPEC, "w, 1") == ["art", "war"]
    assert labelling.show(["art", "war"]) == "art, war"
    assert labelling.typed(SPEC, labelling.show([])) == []
    with pytest.raises(ValueError, match="'x' is none of the labels"):
        labelling.typed(SPEC, "art, x")
