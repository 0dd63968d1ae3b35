"""Specifies the answers to rows: their fields for every kind of task, and what they cost."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.flows.answering.row_models import TASK, Together, answer_file, row_model
from textmill.config import FilterConfig, TaskConfig
from textmill.errors import InputError
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.tasks.classification.examples import Spec as ClassificationSpec
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.filtered.task_filter import TaskFilter
from textmill.tasks.generation.settings import ResponseConfig
from textmill.tasks.multilabel.examples import Spec as MultilabelSpec
from textmill.tasks.question_answering.examples import Spec as AnswerSpec
from textmill.tasks.question_answering.settings import QuestionAnsweringConfig
from textmill.tasks.tagging.examples import Spec as TaggingSpec
from textmill.tasks.tagging.settings import TaggingConfig
from textmill.tasks.translation.examples import Spec as TranslationSpec
from textmill.tasks.translation.settings import TranslationConfig
from textmill_flows.answering import row_prediction
from textmill_flows.answering.input_rows import InputRows, file_sources
from textmill_flows.answering.row_prediction import (
    BadRows,
    RowPredictor,
    answer_in_file,
    answers,
    as_plain,
    check_output,
    joined,
)

FILES = {"train": "a.jsonl", "test": "b.jsonl", "name": "mine"}
MODEL = {"model_version": "3", "run": "f9bd04c0"}
TAGS = ("O", "B-PER", "I-PER")
ONE_NAME = np.array([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.9, 0.05, 0.05]])
ANN = {"text": "Ann Lee", "type": "PER", "start": 1, "end": 8, "score": pytest.approx(0.8)}
Kind = tuple[str, TaskConfig, Any, Any, dict[str, Any], dict[str, Any]]
KINDS: dict[str, Kind] = {
    "classification": (
        "classification",
        TASK,
        ClassificationSpec(("bad", "good")),
        np.array([0.25, 0.75]),
        {"text": "fine", "id": 7},
        {"label": "good", "score": 0.75, "is_cut": False},
    ),
    "pairs": (
        "classification",
        TASK,
        ClassificationSpec(("bad", "good"), has_pairs=True),
        np.array([0.25, 0.75]),
        {"text": "fine", "text_pair": "it is", "id": 7},
        {"label": "good", "score": 0.75, "is_cut": False},
    ),
    "multilabel": (
        "multilabel",
        TASK,
        MultilabelSpec(("bad", "good", "new"), False, (), (0.5, 0.1, 0.1)),
        np.array([[0.25, 0.75], [0.125, 0.875], [0.75, 0.25]]),
        {"text": "fine", "id": 7},
        {
            "labels": [{"label": "good", "score": 0.875}, {"label": "bad", "score": 0.75}],
            "is_cut": False,
        },
    ),
    "tagging": (
        "tagging",
        TaggingConfig(kind="tagging", **FILES),
        TaggingSpec(TAGS, False),
        ONE_NAME,
        {"text": " Ann Lee left", "id": 7},
        {"entities": [ANN], "is_cut": False},
    ),
    "tagging of words": (
        "tagging",
        TaggingConfig(kind="tagging", **FILES),
        TaggingSpec(TAGS, False),
        ONE_NAME,
        {"tokens": ["Ann", "Lee", "left"], "id": 7},
        {"tags": ["B-PER", "I-PER", "O"], "is_cut": False},
    ),
    "roles": (
        "tagging",
        TaggingConfig(kind="tagging", predicate="verb", **FILES),
        TaggingSpec(TAGS, False, has_predicate=True),
        ONE_NAME,
        {"text": " Ann Lee left", "verb": 2},
        {"entities": [ANN], "is_cut": False},
    ),
    "question answering": (
        "question_answering",
        QuestionAnsweringConfig(kind="question_answering", **FILES),
        AnswerSpec((), (), (0.0, 0.5), True),
        np.array([[0.125, 0.75, 0.125], [0.125, 0.75, 0.125]]),
        {"question": "Where?", "context": "in Rome", "id": 7},
        {"answer": "Rome", "start": 3, "end": 7, "score": pytest.approx(0.5625), "is_cut": False},
    ),
    "translation": (
        "translation",
        TranslationConfig(kind="translation", **FILES),
        TranslationSpec(0.5),
        ("Baum", False),
        {"source": "tree", "id": 7},
        {"translation": "Baum", "is_cut": False},
    ),
    "generation": (
        "generation",
        ResponseConfig(kind="generation", **FILES),
        TranslationSpec(0.5),
        ("In the cellar.", True),
        {"prompt": "Where is the lamp?", "id": 7},
        {"response": "In the cellar.", "is_cut": True},
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_answers_with_score_offsets_and_model_beside_the_columns(
    tmp_path: Path, name: str
) -> None:
    kind, task, spec, score, row, expected = KINDS[name]

    def scorer(prepared: Sequence[Any]) -> Iterator[Any]:
        return (score for _ in prepared)

    model = row_model(Predictor(kind, spec, [(scorer, 1.0)]), task)
    file, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    file.write_text(json.dumps(row) + "\n")
    rows = InputRows(file_sources([str(file)], None), model.columns)
    row_prediction.answer_in_file(model, rows, BadRows(False), out, print, lambda n: None)
    [line] = out.read_text().splitlines()
    assert json.loads(line) == row | expected | MODEL
    [(n_rows, found)] = answers(model, rows, BadRows(False), print)
    assert (n_rows, found) == (1, [json.loads(line)])


def test_a_predicate_that_is_not_in_its_text_is_a_bad_row(tmp_path: Path) -> None:
    kind, task, spec, score, row, _ = KINDS["roles"]
    predictor = Predictor(kind, spec, [(lambda prepared: [score for _ in prepared], 1.0)])
    model = row_model(predictor, task)
    file = tmp_path / "a.jsonl"
    lines = [row, row | {"verb": 3}, row | {"verb": "left"}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows = InputRows(file_sources([str(file)], None), model.columns)
    with pytest.raises(InputError, match=r"a\.jsonl:2: The predicate 3 is no word of the text"):
        list(answers(model, rows, BadRows(False), print))
    said: list[str] = []
    [(n_rows, found)] = answers(model, rows, BadRows(True), said.append)
    assert (n_rows, [answer["verb"] for answer in found]) == (3, [2, "left"])
    assert said[0].startswith(f"1 bad rows were left out. The first is {file}:2: The predicate 3")


def test_columns_with_the_name_of_an_answer_get_a_prefix() -> None:
    values = {"label": "a", "input_label": "b", "run": "c", "text": "d"}
    answer = {"label": "good", "score": 0.5, "model_version": None, "run": "f"}
    expected = {"input_input_label": "a", "input_label": "b", "input_run": "c", "text": "d"}
    assert joined(values, answer) == expected | answer
    again = joined(joined(values, answer), answer)
    assert len(again) == len(values) + 2 * len(answer)
    assert [*joined({"id": 1, "label": 2}, answer)][:2] == ["id", "input_label"]


def test_values_of_tables_become_values_of_json(tmp_path: Path) -> None:
    row = {
        "text": "a\u2028b",
        "day": datetime.date(2026, 11, 30),
        "time": datetime.datetime(2026, 11, 30, 13, 45, tzinfo=datetime.UTC),
        "price": decimal.Decimal("1.50"),
        "bytes": b"\xff\x00",
        "numbers": [1.5, float("nan"), float("inf")],
        "inner": {"none": None, "yes": True},
        "length": datetime.timedelta(seconds=90),
    }
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    answer_file(tmp_path / "a.parquet", tmp_path / "out.jsonl")
    [line] = (tmp_path / "out.jsonl").read_text().splitlines()
    found = json.loads(line)
    assert {name: found[name] for name in row} == {
        "text": "a\u2028b",
        "day": "2026-11-30",
        "time": "2026-11-30T13:45:00+00:00",
        "price": "1.50",
        "bytes": base64.b64encode(b"\xff\x00").decode(),
        "numbers": [1.5, None, None],
        "inner": {"none": None, "yes": True},
        "length": "0:01:30",
    }
    assert as_plain((1, {2: "x"})) == [1, {"2": "x"}]


def test_rows_that_cannot_be_written_as_json_are_bad_and_the_others_answered(
    tmp_path: Path,
) -> None:
    days = pa.array([1, 2**62], pa.timestamp("us"))
    pq.write_table(pa.table({"text": ["a", "b"], "day": days}), tmp_path / "a.parquet")
    deep = f"{'[' * 480}{']' * 480}"
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a"}}\n{{"text": "b", "x": {deep}}}\n')
    for name in ("a.parquet", "a.jsonl"):
        said: list[str] = []
        answer_file(tmp_path / name, tmp_path / "out", are_skipped=True, notify=said.append)
        assert len((tmp_path / "out").read_text().splitlines()) == 1
        assert f"1 bad rows were left out. The first is {tmp_path / name}:2: " in said[0]


def test_blocks_are_bounded_by_rows_and_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_prediction, "BLOCK_ROWS", 4)
    monkeypatch.setattr(row_prediction, "BLOCK_CHARS", 100)
    (tmp_path / "a.txt").write_text("".join(f"{'x' * n}\n" for n in (1, 1, 1, 1, 1, 120, 60, 60)))
    rows = InputRows(file_sources([str(tmp_path / "a.txt")], None), row_model().columns)
    sizes = [len(block) for block in row_prediction.blocks(rows, BadRows(False))]
    assert sizes == [4, 2, 2]


class Forgetful(Together):
    def __call__(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        return [{"label": "good"} for _ in inputs]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path, name: str) -> None:
    def peak(n: int) -> int:
        file = tmp_path / name
        rows = [{"id": str(i), "text": f"text {i} " * 20} for i in range(n)]
        if name == "a.parquet":
            pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=1000)
        elif name == "a.csv":
            lines = [f"{row['id']},{row['text']}\n" for row in rows]
            file.write_text("".join(["id,text\n", *lines]))
        else:
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        del rows
        tracemalloc.start()
        answer_file(file, tmp_path / "out.jsonl", Forgetful())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (tmp_path / "out.jsonl").stat().st_size > n * 150
        return most

    peak(1500)  # what is imported
    assert peak(12_000) < 1.2 * peak(3000)


def test_nothing_but_bad_rows_is_an_error_and_no_rows_are_none(tmp_path: Path) -> None:
    file, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    file.write_text('{"text": 1}\n' * 3)
    with pytest.raises(InputError, match=r"all 3 are bad\. The first is .*a\.jsonl:1: column"):
        answer_file(file, out, are_skipped=True)
    assert [name.name for name in tmp_path.iterdir()] == ["a.jsonl"]
    file.write_text("")
    said: list[str] = []
    answer_file(file, out, notify=said.append)
    assert out.read_bytes() == b""
    assert said == ["There are no rows to predict.", f"0 predictions are in {out}."]


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "OUT.jsonl.gz", "out.txt.zst"])
def test_the_name_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="it is written as JSON Lines"):
        check_output(tmp_path / name, [])
    check_output(tmp_path / "OUT.JSONL", [])
    check_output(tmp_path / "out", [])


def test_the_input_is_never_the_output(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    (tmp_path / "link.jsonl").symlink_to("a.jsonl")
    sources = file_sources([str(tmp_path / "a.jsonl")], None)
    with pytest.raises(InputError, match=r"link\.jsonl is a file of the input: choose another"):
        check_output(tmp_path / "link.jsonl", sources)


def test_columns_that_are_given_names_are_those_of_the_model() -> None:
    predictor = Predictor("classification", ClassificationSpec(("a", "b"), has_pairs=True), [])
    with pytest.raises(InputError, match="has no 'context'; it has 'text', 'text_pair'"):
        row_model(predictor, renamed={"context": "body"})


FILTERS = (
    FilterConfig(category="birds", patterns=("duck",), action="block"),
    FilterConfig(category="cats", patterns=("tiger",), action="mask"),
    FilterConfig(category="dogs", patterns=("poodle",)),
)
ROWS = [
    {"id": 1, "pair": {"de": "ein Baum", "en": "?"}},
    {"id": 2, "pair": {"de": "a duck", "en": "?"}},
    {"id": 3, "pair": {"de": "a tiger and a tiger", "en": "?"}},
    {"id": 4, "pair": {"de": "a poodle", "en": "?"}},
]


@pytest.fixture
def translations(tmp_path: Path) -> tuple[RowPredictor, InputRows]:
    """A translator behind filters, which repeats its input, and rows with nested columns."""
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    task = TranslationConfig(kind="translation", source="pair.de", **FILES)

    def repeat(prepared: Sequence[str]) -> list[tuple[str, bool]]:
        return [(text, False) for text in prepared]

    predictor = Predictor("translation", TranslationSpec(0.5), [(repeat, 1.0)])
    filters = TaskFilter(ContentFilter(FILTERS), "translation", predictor.redaction)
    model = row_model(predictor, task, filters=filters, filters_digest="a")
    return model, InputRows(file_sources([str(tmp_path / "a.jsonl")], None), model.columns)


def test_rows_pass_the_filters_with_their_columns(
    translations: tuple[RowPredictor, InputRows],
) -> None:
    said: list[str] = []
    [(n_rows, lines)] = answers(*translations, BadRows(False), said.append)
    assert (n_rows, len(lines)) == (4, 4)
    found = [(line["id"], line["pair"], line["translation"]) for line in lines]
    assert found == [
        (1, {"de": "ein Baum", "en": "?"}, "ein Baum"),
        (2, {"de": None, "en": "?"}, None),
        (3, {"de": "a [CATS] and a [CATS]", "en": "?"}, "a [CATS] and a [CATS]"),
        (4, {"de": "a poodle", "en": "?"}, "a poodle"),
    ]
    kinds = [[(d["category"], d["action"], d["side"]) for d in line["filtered"]] for line in lines]
    assert kinds[:2] == [[], [("birds", "block", "prompt")]]
    assert kinds[2:] == [
        [("cats", "mask", "prompt")] * 2,
        [("dogs", "flag", "prompt"), ("dogs", "flag", "output")],
    ]
    assert "duck" not in json.dumps(lines)
    assert said == [
        "Filtered rows: birds (block, prompt) 1, cats (mask, prompt) 1, dogs (flag, output) 1, "
        "dogs (flag, prompt) 1."
    ]


def test_an_interrupted_file_continues_with_its_counts_unless_filters_changed(
    translations: tuple[RowPredictor, InputRows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_prediction, "BLOCK_ROWS", 2)
    model, rows = translations
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    expected: list[str] = []
    answer_in_file(model, rows, BadRows(False), whole, expected.append, lambda n: None)

    def interrupt(n_rows: int) -> None:
        raise KeyboardInterrupt

    for digest, message in (("a", "continuing after the 2 rows"), ("b", "or other filters: start")):
        with pytest.raises(KeyboardInterrupt):
            answer_in_file(model, rows, BadRows(False), out, print, interrupt)
        said: list[str] = []
        changed = replace(model, filters_digest=digest)
        answer_in_file(changed, rows, BadRows(False), out, said.append, lambda n: None)
        assert message in said[0]
        assert said[1] == expected[0]
        assert out.read_bytes() == whole.read_bytes()
