"""Specifies which questions and answers are read, and what is learned about them at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tasks.conftest import write_rows
from tests.tasks.question_answering.conftest import make_config, toy_rows
from textmill.errors import InputError
from textmill.tasks.finetune import split_examples
from textmill.tasks.kinds import examples_of
from textmill.tasks.question_answering.examples import (
    Example,
    check_examples,
    make_spec,
    read_examples,
)

CONTEXT = "Ann is in the garden. Bob is in the old barn."


def read(folder: Path, *rows: dict[str, Any]) -> list[Example]:
    write_rows(folder / "train.jsonl", rows)
    return read_examples(make_config(folder), "train")


def row(answers: Any, **further: Any) -> dict[str, Any]:
    return {"question": "Where is Bob?", "context": CONTEXT, "answers": answers} | further


def test_squads_columns_are_read(tmp_path: Path) -> None:
    found = [{"text": ["old barn", " the old barn"], "answer_start": [36, 31]}]
    found += [{"text": [], "answer_start": []}]
    several, none = read(tmp_path, *map(row, found))
    assert several.texts == ["old barn", "the old barn"]
    assert several.place.endswith("train.jsonl:1")
    assert none.answers == ()


def test_answers_may_be_a_list_of_objects(tmp_path: Path) -> None:
    (example,) = read(tmp_path, row([{"text": "old barn", "answer_start": 36}]))
    assert example.texts == ["old barn"]


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        ({"text": ["old barn"], "answer_start": [5]}, "'old barn' is not at answer_start=5.*at 36"),
        ({"text": ["cellar"], "answer_start": [5]}, "not in the context at all"),
        ({"text": ["old barn"], "answer_start": [-9]}, "is not at answer_start=-9"),
        ({"text": ["old barn"], "answer_start": []}, "not lists of one length"),
        ({"text": "old barn", "answer_start": 36}, "not lists of one length"),
        ({"text": [" "], "answer_start": [3]}, "an answer without text"),
        ({"text": ["old barn"], "answer_start": ["36"]}, "answer_start that is no integer.*'36'"),
        ({"text": ["old barn"]}, "no object with the lists text and answer_start"),
        ("old barn", "no object with the lists text and answer_start.*'old barn' is of type str"),
        (None, "it is null"),
    ],
)
def test_a_bad_answer_is_named_with_its_line_and_id(
    tmp_path: Path, answers: Any, named: str
) -> None:
    right = row({"text": ["old barn"], "answer_start": [36]})
    with pytest.raises(InputError, match=rf"train.jsonl:2: .*{named}") as error:
        read(tmp_path, right, row(answers, id="q7"))
    assert "(id q7)" in str(error.value)


def test_all_answers_that_are_elsewhere_are_counted_and_the_first_ones_named(
    tmp_path: Path,
) -> None:
    wrong = row({"text": ["Ann"], "answer_start": [7]})
    with pytest.raises(InputError) as error:
        read(tmp_path, *[wrong] * 5)
    file = tmp_path / "train.jsonl"
    assert str(error.value).startswith(f"{file}:1: the answer 'Ann' is not at answer_start=7")
    assert f"(5 of 5 records are invalid, also {file}:2, {file}:3" in str(error.value)


def test_personal_data_of_invalid_records_is_not_logged(tmp_path: Path) -> None:
    wrong = row({"text": ["bob@example.com"], "answer_start": [7]})
    write_rows(tmp_path / "train.jsonl", [wrong])
    config = make_config(tmp_path, redaction={"enabled": True})
    with pytest.raises(InputError) as error:
        read_examples(config, "train")
    assert "the answer '[EMAIL]' is not at answer_start=7" in str(error.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tasks\.faq\.context"):
        read(tmp_path, {"question": "Where?", "passage": "x", "answers": {}})


def test_personal_data_is_redacted_in_all_columns(tmp_path: Path) -> None:
    context = "Write to ann@example.org in Bath."
    found = {"text": ["ann@example.org", "Bath"], "answer_start": [9, 28]}
    rows = [{"question": "Is bob@example.org right?", "context": context, "answers": found}]
    write_rows(tmp_path / "train.jsonl", rows)
    redaction = {"enabled": True}
    (example,) = read_examples(make_config(tmp_path, redaction=redaction), "train")
    assert example.question == "Is [EMAIL] right?"
    assert example.context == "Write to [EMAIL] in Bath."
    assert example.texts == ["[EMAIL]", "Bath"]


def test_the_spec_knows_the_words_that_ask_for_a_form_and_the_length_of_answers(
    tmp_path: Path,
) -> None:
    rows = []
    for number in range(60):
        context = f"Mia bought {number} red apples."
        asked = ("How many apples?", str(number)) if number % 2 else ("Who bought them?", "Mia")
        found = {"text": [asked[1]], "answer_start": [context.index(asked[1])]}
        rows.append({"question": asked[0], "context": context, "answers": found})
    spec = make_spec(make_config(tmp_path), read(tmp_path, *rows))
    assert {*spec.type_words[:5]} <= {"how", "many", "apples", "who", "bought", "them"}
    assert {"how", "who", "?"} <= {*spec.common_words}
    assert len(spec.length_costs) == 1
    assert not spec.has_no_answer


def test_shorter_answers_cost_less_where_they_are_commoner(tmp_path: Path) -> None:
    spec = make_spec(make_config(tmp_path), read(tmp_path, *toy_rows(200, seed=3)))
    one, two = spec.length_costs
    assert one < two  # four of six places have a single word
    assert spec.has_no_answer


def test_examples_without_any_answer_teach_nothing(tmp_path: Path) -> None:
    examples = read(tmp_path, row({"text": [], "answer_start": []}))
    with pytest.raises(InputError, match="no training example has an answer"):
        make_spec(make_config(tmp_path), examples)


def test_a_test_without_answer_needs_such_training_examples(tmp_path: Path) -> None:
    known = read(tmp_path, row({"text": ["old barn"], "answer_start": [36]}))
    spec = make_spec(make_config(tmp_path), known)
    check_examples(make_config(tmp_path), spec, known)
    unknown = read(tmp_path, row({"text": [], "answer_start": []}))
    with pytest.raises(InputError, match=r"train.jsonl:1: the question has no answer"):
        check_examples(make_config(tmp_path), spec, unknown)


def test_the_questions_of_a_context_are_on_one_side_of_the_split(tmp_path: Path) -> None:
    rows = [
        row({"text": ["Ann"], "answer_start": [0]}, context=f"Ann is in house {number // 4}.")
        for number in range(80)
    ]
    config = make_config(tmp_path)
    kind = examples_of("question_answering")
    train, validation = split_examples(config, kind, read(tmp_path, *rows))
    assert {e.context for e in train}.isdisjoint(e.context for e in validation)
    assert len(validation) == 8
    large = [
        row({"text": ["Ann"], "answer_start": [0]}, context=f"Ann is in house {number // 15}.")
        for number in range(20)
    ]
    for seed in range(4):
        seeded = make_config(tmp_path, finetune={"seed": seed})
        train, validation = split_examples(seeded, kind, read(tmp_path, *large))
        assert (len(train), len(validation)) == (15, 5)
    same = [row({"text": ["Ann"], "answer_start": [0]}) for _ in range(20)]
    with pytest.raises(InputError, match=r"examples \(20, 1 of them different\)"):
        split_examples(config, kind, read(tmp_path, *same))
