"""Specifies the reading of texts with any number of labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.tasks.conftest import write_rows
from tests.tasks.multilabel.conftest import make_config
from textmill.compose import compose
from textmill.config import AnyTask
from textmill.errors import InputError
from textmill.tasks.checks.leaks import find_overlap
from textmill.tasks.kinds import examples_of
from textmill.tasks.multilabel.examples import (
    Example,
    Spec,
    check_examples,
    make_spec,
    model_input,
    read_examples,
    reference,
)

TASK = {"name": "tags", "kind": "classification", "train": "a.csv", "test": "b.csv"}
SPEC = Spec(("a", "b"), False, (), (0.5, 0.5))


def read(folder: Path, values: list[Any], **further: Any) -> list[tuple[str, ...]]:
    write_rows(folder / "train.jsonl", [{"text": "t", "labels": value} for value in values])
    return [example.labels for example in read_examples(make_config(folder, **further), "train")]


def test_a_classification_with_labels_is_of_this_kind() -> None:
    task = TypeAdapter(AnyTask).validate_python(TASK | {"labels": "topics"})
    assert (task.kind, task.labels) == ("multilabel", "topics")
    again = TypeAdapter(AnyTask).validate_python(task.model_dump())  # as a run records it
    assert again == task
    assert TypeAdapter(AnyTask).validate_python(TASK).kind == "classification"


def test_label_and_labels_together_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(f"defaults: [base, _self_]\ntasks:\n- {json.dumps(TASK | {'labels': 'x'})}\n")
    overrides = ["corpus.sources=[]"]
    assert compose(str(file), overrides).tasks[0].kind == "multilabel"
    with pytest.raises(
        InputError, match=r"tasks.tags: label=y is the column of one label .*labels=x"
    ) as caught:
        compose(str(file), [*overrides, "+tasks.tags.label=y"])
    assert "remove one" in str(caught.value)
    assert compose(str(file), [*overrides, "+tasks.tags.label=null"]).tasks[0].kind == "multilabel"
    with pytest.raises(InputError, match=r"tasks.tags.label_seperator .*label_separator"):
        compose(str(file), [*overrides, "+tasks.tags.label_seperator=y"])


def test_drift_measures_its_labels(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(f"defaults: [base, _self_]\ntasks:\n- {json.dumps(TASK | {'labels': 'x'})}\n")
    overrides = ["corpus.sources=[]", "retrain.drift.path=new.txt", "retrain.drift.tasks=[tags]"]
    assert compose(str(file), overrides).retrain.drift.tasks == ("tags",)
    with pytest.raises(InputError, match="'tags' is not a classification of single texts"):
        compose(str(file), [*overrides, "+tasks.tags.text_pair=y"])


def test_a_list_is_read_without_order_and_repetitions(tmp_path: Path) -> None:
    values = [["b", "a", " b "], [], [3, True]]
    assert read(tmp_path, values) == [("a", "b"), (), ("3", "True")]


def test_a_text_is_split_at_the_separator_or_read_as_a_list_in_json(tmp_path: Path) -> None:
    values = ["b, a", "", " , ", "new york", '["x, y", "z"]', "[]"]
    expected = [("a", "b"), (), (), ("new york",), ("x, y", "z"), ()]
    assert read(tmp_path, values) == expected
    assert read(tmp_path, ["b|a", "c"], label_separator="|") == [("a", "b"), ("c",)]


def test_labels_of_csv_are_read(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text('text,labels\nt,"a,b"\nu,\nv,b\n')
    config = make_config(tmp_path, train=str(tmp_path / "train.csv"))
    assert [example.labels for example in read_examples(config, "train")] == [
        ("a", "b"),
        (),
        ("b",),
    ]


def test_numbers_have_names(tmp_path: Path) -> None:
    names = {"label_names": ["x", "y", "z"]}
    assert read(tmp_path, [[2, 0], "1,2", ["x"]], **names) == [("x", "z"), ("y", "z"), ("x",)]
    with pytest.raises(InputError, match=r"train.jsonl:1: column 'labels' holds '3', for which"):
        read(tmp_path, [[3]], **names)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"holds neither a list of labels nor a text: it is null; an empty list"),
        (3, "holds neither a list of labels nor a text: 3 is of type int"),
        ({"a": 1}, "holds neither a list of labels nor a text"),
        ([None], "holds no label: it is null"),
        ([" "], "holds no label: it is empty"),
        ([["a"]], "holds no label"),
        ("['a', 'b']", r"holds .*, in brackets, but no list in JSON: write it as \["),
        ("[" * 10_000 + "]", r"holds '\[{60}', in brackets, but no list in JSON"),
    ],
)
def test_other_values_are_named_with_their_place(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"train.jsonl:1: column 'labels' {message}"):
        read(tmp_path, [value])


def test_the_column_of_labels_is_needed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'tags', which tasks\.things\.labels names"):
        read(tmp_path, [["a"]], labels="tags")


def test_a_model_knows_the_labels_of_training_and_their_shares() -> None:
    config = make_config(Path(), text_pair="second")
    train = [Example("t", labels, "") for labels in (("b",), ("a", "b"), (), ("b",))]
    assert make_spec(config, train) == Spec(("a", "b"), True, (), (0.25, 0.75))


@pytest.mark.parametrize(
    ("labels", "named"), [((), r"\(no label\)"), (("a", "b"), r"the same labels \(a, b\)")]
)
def test_examples_with_the_same_labels_are_refused(labels: tuple[str, ...], named: str) -> None:
    with pytest.raises(InputError, match=rf"tasks\.things: all training examples have .*{named}"):
        make_spec(make_config(Path()), [Example("t", labels, ""), Example("u", labels, "")])


def test_unknown_labels_are_refused_unless_they_are_very_rare(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config, odd = make_config(Path()), Example("t", ("b", "odd"), "test.jsonl:4")
    with pytest.raises(
        InputError, match=r"test.jsonl:4: the label 'odd' does not .* a, b: .* it\.$"
    ):
        check_examples(config, SPEC, [odd])
    check_examples(config, SPEC, [Example("t", ("a", "b"), "")] * 600)
    assert not caplog.text
    check_examples(config, SPEC, [odd, *[Example("t", ("a", "b"), "")] * 600])
    assert "(1 of 1202 labels are unknown, and count as missed)" in caplog.text


def test_shares_that_do_not_fit_the_labels_are_refused() -> None:
    for shares, threshold in (((0.5,), 0.5), ((0.5, 2.0), 0.5), ((0.5, 0.5), float("nan"))):
        values = {"labels": ("a", "b"), "shares": shares, "threshold": threshold}
        with pytest.raises(ValidationError):
            TypeAdapter(Spec).validate_python(values)


def test_the_same_text_with_other_labels_is_a_conflict() -> None:
    train = [Example("t", ("a",), ""), Example("u", ("a", "b"), "")]
    shared = find_overlap(examples_of("multilabel"), train, [Example("T", (), ""), train[1]])
    assert shared.leaked == (0, 1)
    assert shared.n_same_answer == 1
    assert shared.conflicting == ((0,), (0,))


def test_an_example_is_recorded_with_both_texts() -> None:
    pair = Example("t", ("a",), "", "u")
    assert reference(pair) == {"text": "t", "text_pair": "u", "reference": ["a"]}
    assert model_input(pair) == {"text": "t", "text_pair": "u"}
    assert model_input(Example("t", (), "")) == "t"
