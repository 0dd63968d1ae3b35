"""Specifies what is saved of the labels that people give, and files of other tools."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.flows.answering.row_models import row_model
from tests.flows.labelling.test_uncertain_rows import PREDICTOR, by_number
from textmill.config import Config
from textmill.errors import InputError
from textmill.tasks.classification.examples import Spec, read_examples
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.predictor import Predictor
from textmill_flows.answering.row_prediction import BadRows
from textmill_flows.labelling import label_session
from textmill_flows.labelling.label_session import LabelSession, open_session

STRICT = BadRows(are_skipped=False)
SOURCE = [
    {"id": 1, "body": "a bright morning 55"},
    {"id": 2, "body": "grim corridors 90"},
    {"id": 3, "body": "two open windows 48", "mood": None},
]


def write_lines(file: Path, rows: list[Any]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def values_of(folder: Path, **section: object) -> dict[str, Any]:
    for split in ("train", "test"):
        rows = [
            {"body": f"{split} {n} 1", "mood": label} for n, label in enumerate(("good", "bad"))
        ]
        write_lines(folder / f"{split}.jsonl", rows)
    write_lines(folder / "new.jsonl", SOURCE)
    return {
        "kind": "classification",
        "name": "mood",
        "text": "body",
        "label": "mood",
        "train": str(folder / "train.jsonl"),
        "test": str(folder / "test.jsonl"),
        "labelling": {"source": str(folder / "new.jsonl"), **section},
    }


@pytest.fixture
def session(tmp_path: Path) -> LabelSession:
    config = ClassificationConfig.model_validate(values_of(tmp_path))
    writer = label_session.LabelWriter(Path(str(config.saved_labels)), print)
    return LabelSession(config, row_model(PREDICTOR, config), writer, "ann")


def candidates(session: LabelSession, count: int = 9) -> list[label_session.Candidate]:
    return session.candidates(session.source(), count, BadRows(False), lambda n: None)


def saved(session: LabelSession) -> list[dict[str, Any]]:
    return [json.loads(line) for line in session.writer.file.read_text().splitlines()]


def test_a_saved_label_is_the_row_with_the_label_and_who_when_and_which_model(
    session: LabelSession,
) -> None:
    first, second, _ = candidates(session)
    session.save([(first.row, "good", first.predicted), (second.row, "bad", second.predicted)])
    one, other = saved(session)
    at = datetime.fromisoformat(one["labelled"].pop("at"))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    facts = {"by": "ann", "predicted": "bad", "model_version": "3", "run": "f9bd04c0"}
    assert one == SOURCE[2] | {"mood": "good", "labelled": facts}
    assert (other["id"], other["mood"], other["labelled"]["predicted"]) == (1, "bad", "good")
    examples = read_examples(session.config, "train")  # type: ignore[arg-type]
    assert [(e.text, e.label) for e in examples[2:]] == [
        ("two open windows 48", "good"),
        ("a bright morning 55", "bad"),
    ]


def test_labelled_texts_are_not_offered_again(session: LabelSession) -> None:
    first, *others = candidates(session)
    session.save([(first.row, "good", None)])
    assert [one.row for one in candidates(session)] == [one.row for one in others]
    assert session.saved_keys() == {first.key}


def test_texts_without_the_column_of_the_task_get_it(tmp_path: Path, session: LabelSession) -> None:
    assert session.config.labelling is not None
    text = tmp_path / "new.txt"
    text.write_text("a fine day 50\n")
    section = session.config.labelling.model_copy(update={"source": str(text)})
    config = session.config.model_copy(update={"labelling": section})
    other = LabelSession(config, session.model, session.writer, "bob")
    (only,) = candidates(other)
    other.save([(only.row, "good", None)])
    (row,) = saved(other)
    assert (row["body"], row["mood"]) == ("a fine day 50", "good")


def test_an_export_is_filled_in_and_imported(tmp_path: Path, session: LabelSession) -> None:
    file = tmp_path / "asked.jsonl"
    session.export(candidates(session), file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["id"], row["mood"]) for row in rows] == [(3, None), (1, None), (2, None)]
    assert [row["labelled"]["predicted"] for row in rows] == ["bad", "good", "good"]
    write_lines(
        file, [rows[0] | {"mood": "good"}, rows[1] | {"mood": ""}, rows[2] | {"mood": "bad"}]
    )
    assert session.import_from(file, STRICT) == (2, 0, 1)
    assert session.import_from(file, STRICT) == (0, 2, 1)
    found = [(row["id"], row["mood"], row["labelled"]["by"]) for row in saved(session)]
    assert found == [(3, "good", "ann"), (2, "bad", "ann")]
    assert saved(session)[0]["labelled"]["predicted"] == "bad"
    with pytest.raises(InputError, match="asked.jsonl exists, and may have labels"):
        session.export([], file)


def test_a_table_of_another_tool_is_imported(tmp_path: Path, session: LabelSession) -> None:
    (tmp_path / "done.csv").write_text("body,mood\na fine day 1,good\nA fine  day 1,bad\n")
    assert session.import_from(tmp_path / "done.csv", STRICT) == (1, 1, 0)
    assert [(row["body"], row["mood"]) for row in saved(session)] == [("a fine day 1", "good")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"body": "x 1", "mood": "fine"}, "the label 'fine' does not occur in the training data"),
        ({"body": "x 1", "mood": ["good"]}, "column 'mood' holds no label"),
        ({"body": 7, "mood": "good"}, "column 'body' holds no text"),
    ],
)
def test_an_import_is_all_or_nothing(
    tmp_path: Path, session: LabelSession, row: dict[str, object], message: str
) -> None:
    file = write_lines(tmp_path / "done.jsonl", [{"body": "y 2", "mood": "good"}, row])
    with pytest.raises(InputError, match=rf"done.jsonl:2: {re.escape(message)}"):
        session.import_from(file, STRICT)
    assert not session.writer.file.exists()


def test_an_import_leaves_out_texts_of_the_task_and_bad_rows(
    tmp_path: Path, session: LabelSession
) -> None:
    """A text of the test that was imported would be trained on."""
    rows = [{"body": "test 0 1", "mood": "bad"}, {"body": "train 1  1", "mood": "good"}]
    more: list[Any] = [{"body": None, "mood": "good"}, {"body": "y 2", "mood": "good"}]
    file, bad = write_lines(tmp_path / "done.jsonl", [*rows, *more]), BadRows(are_skipped=True)
    assert session.import_from(file, bad) == (1, 2, 0)
    assert bad.found[0] == 1
    assert [row["body"] for row in saved(session)] == ["y 2"]


def test_the_text_that_was_shown_is_saved(session: LabelSession) -> None:
    """With --column, the column of the task may have another one."""
    model = row_model(PREDICTOR, session.config, {"text": "note"})
    other = LabelSession(session.config, model, session.writer, "ann")
    assert session.config.labelling is not None
    source = Path(session.config.labelling.source)
    write_lines(source, [{"body": "Re: order 0", "note": "grim corridors 90"}])
    (only,) = candidates(other)
    other.save([(only.row, "bad", None)])
    (row,) = saved(other)
    assert (row["body"], row["input_body"]) == ("grim corridors 90", "Re: order 0")
    assert other.saved_keys() == {only.key}
    assert candidates(other) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("todo.csv", "let it end in .jsonl"), ("x" * 300 + ".jsonl", "cannot be written")],
)
def test_a_file_that_could_not_be_imported_is_not_exported(
    tmp_path: Path, session: LabelSession, name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        session.export([], tmp_path / name)


def test_a_source_that_matches_no_file_is_named(session: LabelSession) -> None:
    assert session.config.labelling is not None
    section = session.config.labelling.model_copy(update={"source": "nothing*.csv"})
    config = session.config.model_copy(update={"labelling": section})
    other = LabelSession(config, session.model, session.writer, "ann")
    with pytest.raises(InputError, match=r"tasks\.mood\.labelling\.source nothing\*\.csv: no file"):
        other.source()


def test_a_source_without_the_column_of_texts_is_refused(
    tmp_path: Path, session: LabelSession
) -> None:
    write_lines(tmp_path / "new.jsonl", [{"id": 1, "content": "a"}])
    with pytest.raises(InputError, match=r"new.jsonl has no column 'body' or 'text'; it has 'id'"):
        candidates(session)


@pytest.mark.parametrize(
    ("task", "further", "message"),
    [
        ("mood", {"labelling": None}, "set tasks.mood.labelling.source to a file of texts"),
        ("mod", {}, "There is no task 'mod'; did you mean 'mood'"),
        ("mood", {}, "has no such model yet: run textmill finetune mood"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, task: str, further: dict[str, Any], message: str
) -> None:
    values = values_of(tmp_path) | further
    home = {"home": str(tmp_path / "mlruns")}
    corpus = {"sources": [{"name": "own", "path": "own.jsonl"}]}
    config = Config.model_validate({"corpus": corpus, "tasks": [values], "tracking": home})
    with pytest.raises(InputError, match=message):
        open_session(task, config, {}, "ann", print)


def test_kinds_without_labels_of_texts_are_refused(tmp_path: Path) -> None:
    task = {"kind": "tagging", "name": "places", "train": "a.jsonl", "test": "b.jsonl"}
    corpus = {"sources": [{"name": "own", "path": "own.jsonl"}]}
    config = Config.model_validate({"corpus": corpus, "tasks": [task]})
    with pytest.raises(InputError, match="textmill label does not support the kind tagging"):
        open_session("places", config, {}, "ann", print)


def test_pairs_are_labelled_with_both_texts(tmp_path: Path) -> None:
    values = values_of(tmp_path) | {"text_pair": "reply"}
    pairs = [{"body": "is it 1", "reply": "yes 50"}, {"body": "was it 1", "reply": "no 10"}]
    for name in ("train", "test"):
        write_lines(
            tmp_path / f"{name}.jsonl",
            [{"body": name, "reply": label, "mood": label} for label in ("good", "bad")],
        )
    write_lines(tmp_path / "new.jsonl", pairs)
    config = ClassificationConfig.model_validate(values)

    def scorer(prepared: Any) -> Any:
        return by_number([(second,) for _, second in prepared])

    predictor = Predictor("classification", Spec(("bad", "good"), has_pairs=True), [(scorer, 1.0)])
    writer = label_session.LabelWriter(Path(str(config.saved_labels)), print)
    session = LabelSession(config, row_model(predictor, config), writer, "ann")
    first, _ = candidates(session)
    session.save([(first.row, "good", None)])
    assert saved(session)[0] == pairs[0] | {
        "mood": "good",
        "labelled": saved(session)[0]["labelled"],
    }
    assert session.saved_keys() == {first.key}
