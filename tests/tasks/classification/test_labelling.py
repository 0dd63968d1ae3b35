"""Specifies the labels that people give to texts with one label each."""

from __future__ import annotations

import pytest

from textmill.tasks.classification import labelling
from textmill.tasks.classification.examples import Spec
from textmill.tasks.classification.settings import ClassificationConfig

SPEC = Spec(("bad", "good", "new"))
CONFIG = ClassificationConfig(kind="classification", name="mood", train="a", test="b")


def test_a_model_is_least_sure_where_its_answer_is_least_probable() -> None:
    answers = [{"label": "bad", "score": score} for score in (0.9, 0.34, 0.5)]
    found = [labelling.uncertainty(SPEC, answer) for answer in answers]
    assert found == pytest.approx([0.1, 0.66, 0.5])
    assert labelling.predicted(answers[0]) == "bad"


def test_labels_of_a_file_are_read_as_those_of_training() -> None:
    assert labelling.column(CONFIG.model_copy(update={"label": "mood"})) == "mood"
    assert labelling.known(CONFIG, SPEC, " good ") == "good"
    named = CONFIG.model_copy(update={"label_names": ("bad", "good", "new")})
    assert labelling.known(named, SPEC, 2) == "new"
    with pytest.raises(ValueError, match="'fine' does not occur .* use one of bad, good, new"):
        labelling.known(CONFIG, SPEC, "fine")
    with pytest.raises(ValueError, match="column 'label' holds no label"):
        labelling.known(CONFIG, SPEC, ["good"])


def test_a_person_types_one_label() -> None:
    assert labelling.show(labelling.typed(SPEC, "g")) == "good"
