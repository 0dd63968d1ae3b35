"""Specifies which rows are read from files of all formats, and what is said about others."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.flows.answering.row_models import TASK
from textmill.config import TaskConfig
from textmill.errors import InputError
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.generation.settings import ResponseConfig
from textmill.tasks.tagging.settings import TaggingConfig
from textmill.tasks.translation.settings import TranslationConfig
from textmill_flows.answering.input_columns import InputColumns
from textmill_flows.answering.input_rows import (
    BadRow,
    InputFormat,
    InputRow,
    InputRows,
    argument_source,
    file_sources,
    standard_input,
)

FILES = {"train": "a.jsonl", "test": "b.jsonl", "name": "mine"}
ROWS = [
    {"id": "1", "text": "one, two\t;three", "topic": "a"},
    {"id": "2", "text": "Grüße\nthere", "topic": ""},
    {"id": "3", "text": "", "topic": 'a "word"'},
]


def as_jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_csv(rows: Sequence[Mapping[str, Any]], separator: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*rows[0]], delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([*rows]), sink, row_group_size=2)
    return sink.getvalue()


FORMATS: dict[str, bytes] = {
    "a.jsonl": as_jsonl(ROWS),
    "a.csv": as_csv(ROWS),
    "semicolons.csv": as_csv(ROWS, ";"),
    "a.tsv": as_csv(ROWS, "\t"),
    "A.JSONL.GZ": gzip.compress(as_jsonl(ROWS)),
    "a.csv.zst": zstandard.ZstdCompressor().compress(as_csv(ROWS)),
    "bom.csv": b"\xef\xbb\xbf" + as_csv(ROWS),
    "lf.csv": as_csv(ROWS).replace(b"\r\n", b"\n"),
    "crlf.jsonl": as_jsonl(ROWS).replace(b"\n", b"\r\n"),
    "utf16.jsonl": as_jsonl(ROWS).decode().encode("utf-16"),
    "a.parquet": as_parquet(ROWS),
}


def read(
    *patterns: Path | str,
    form: InputFormat | None = None,
    task: TaskConfig = TASK,
    names: Sequence[str] = ("text",),
    **renamed: str,
) -> list[InputRow | BadRow]:
    columns = InputColumns(task, names, renamed)
    return list(InputRows(file_sources(map(str, patterns), form), columns))


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def reason(found: list[InputRow | BadRow], number: int = 0) -> str:
    row = found[number]
    assert isinstance(row, BadRow)
    return f"{row.place.rpartition(':')[2]}: {row.reason}"


def parts(row: InputRow | BadRow) -> tuple[object, object, str]:
    """The columns of a row, the input of the model, and where it is."""
    assert isinstance(row, InputRow)
    return row.values, row.given, row.place


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_any_format_gives_the_same_rows_with_all_columns(
    tmp_path: Path, name: str
) -> None:
    found = read(written(tmp_path, name, FORMATS[name]))
    assert [row.values for row in found if isinstance(row, InputRow)] == ROWS
    assert [row.given for row in found if isinstance(row, InputRow)] == [r["text"] for r in ROWS]
    assert found[0].place == f"{tmp_path / name}:{2 if name[-3:] in ('csv', 'tsv', 'zst') else 1}"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_text_file_has_a_row_for_each_line(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    content = pack("\ufeffOne.\r\n\r\nThird\u2028line \r\n".encode())
    name = "a.txt" if pack is bytes else "a.txt.gz"
    found = read(written(tmp_path, name, content))
    assert [row.values for row in found if isinstance(row, InputRow)] == [
        {"text": "One."},
        {"text": ""},
        {"text": "Third\u2028line "},
    ]
    assert [row.place.rpartition(":")[2] for row in found] == ["1", "2", "3"]


def test_several_files_and_patterns_are_read_in_their_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "[c].csv"):
        written(tmp_path, name, f"text\n{name}\n".encode())
    patterns = tmp_path / "[c].csv", tmp_path / "?.csv", tmp_path / "a.csv"
    assert [row.given for row in read(*patterns) if isinstance(row, InputRow)] == [
        "[c].csv",
        "a.csv",
        "b.csv",
        "a.csv",
    ]
    with pytest.raises(InputError, match=r"--file .*x\*\.csv: no file matches"):
        read(tmp_path / "x*.csv")
    with pytest.raises(InputError, match=r"nowhere\.csv does not exist"):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="is not a file"):
        read(tmp_path)


@pytest.mark.parametrize(("name", "form"), [("a.json", "jsonl"), ("a", "text"), ("a.dat", "csv")])
def test_the_format_is_asked_for_if_no_name_says_it(
    tmp_path: Path, name: str, form: InputFormat
) -> None:
    content = b'{"text": "x"}\n' if form == "jsonl" else b"text\nx\n"
    file = written(tmp_path, name, content)
    with pytest.raises(InputError, match=f"{name} does not say its format: pass --format text"):
        read(file)
    last = read(file, form=form)[-1]
    assert isinstance(last, InputRow)
    assert last.given == "x"


CLASSES = ClassificationConfig(kind="classification", text="review", text_pair="reply", **FILES)
TRANSLATION = TranslationConfig(kind="translation", source="in.en", **FILES)
TAGS = TaggingConfig(kind="tagging", predicate="verb", **FILES)


@pytest.mark.parametrize(
    ("task", "names", "row", "expected"),
    [
        (CLASSES, ("text",), {"review": "a", "text": "b"}, "a"),
        (CLASSES, ("text",), {"body": "a", "text": "b"}, "b"),
        (
            CLASSES,
            ("text", "text_pair"),
            {"reply": "b", "review": "a"},
            {"text": "a", "text_pair": "b"},
        ),
        (TRANSLATION, ("text",), {"in": {"en": "a"}}, "a"),
        (ResponseConfig(kind="generation", **FILES), ("text",), {"prompt": "a"}, "a"),
        (TAGS, ("text",), {"tokens": ["a", "b"]}, ["a", "b"]),
        (
            TAGS,
            ("text", "predicate"),
            {"tokens": ["a", "b"], "verb": 1},
            {"text": ["a", "b"], "predicate": 1},
        ),
        (
            TAGS,
            ("text", "predicate"),
            {"text": "a b", "predicate": "b"},
            {"text": "a b", "predicate": "b"},
        ),
    ],
)  # fmt: skip
def test_columns_are_those_of_the_training_data_or_of_the_model(
    tmp_path: Path, task: TaskConfig, names: Sequence[str], row: dict[str, Any], expected: object
) -> None:
    for name, content in (("a.jsonl", as_jsonl([row])), ("a.parquet", as_parquet([row]))):
        [found] = read(written(tmp_path, name, content), task=task, names=names)
        assert parts(found) == (row, expected, f"{tmp_path / name}:1")


def test_columns_have_the_names_that_the_user_gives(tmp_path: Path) -> None:
    row = {"text": "x", "doc": {"body": "y"}}
    [found] = read(written(tmp_path, "a.jsonl", as_jsonl([row])), text="doc.body")
    assert found == InputRow(row, "y", {"text": "doc.body"}, f"{tmp_path / 'a.jsonl'}:1")
    file = written(tmp_path, "a.csv", b"id;body\n1;a, b\n")
    [second] = read(file, text="body")
    values = {"id": "1", "body": "a, b"}
    assert second == InputRow(values, "a, b", {"text": "body"}, f"{file}:2")
    with pytest.raises(InputError, match=r"--column txt=a: the input of task 'mood' has no 'txt'"):
        read(file, txt="a")
    with pytest.raises(InputError, match=r"--column is of no use for .*\.txt"):
        read(written(tmp_path, "a.txt", b"x\n"), text="body")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_missing_column_is_named_with_those_that_are_there_and_the_option(
    tmp_path: Path, name: str
) -> None:
    rows = [{"id": "1", "reviews": "x"}] * 3
    content = {"a.csv": as_csv, "a.jsonl": as_jsonl, "a.parquet": as_parquet}[name](rows)
    file = written(tmp_path, name, content)
    with pytest.raises(InputError) as error:
        read(file, task=CLASSES)
    assert str(error.value) == (
        f"{file} has no column 'review' or 'text'; it has 'id', 'reviews'. Name the right one: "
        "--column text=reviews."
    )
    with pytest.raises(InputError, match="no column 'body'; .*: --column text=COLUMN"):
        read(file, task=CLASSES, text="body")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"text": 5}', "2: column 'text' holds no text: 5 is of type int"),
        ('{"text": null}', "2: column 'text' holds no text: it is null"),
        ('{"text": NaN}', "2: column 'text' holds no text: nan is of type float"),
        ('{"text": ["a", "b"]}', "2: column 'text' holds no text: ['a', 'b'] is of type list"),
        ('{"id": 5}', "2: there is no column 'text'"),
        ('{"text": "x"', "2: not valid JSON at character 13"),
        ("[1]", "2: a JSON value of type list, not an object"),
        ("[" * 100_000, "2: not usable JSON: nested too deeply"),
    ],
)
def test_a_bad_row_has_its_place_and_the_reason(tmp_path: Path, line: str, expected: str) -> None:
    file = written(tmp_path, "a.jsonl", f'{{"text": "a"}}\n{line}\n{{"text": "c"}}\n'.encode())
    found = read(file)
    assert [isinstance(row, BadRow) for row in found] == [False, True, False]
    assert reason(found, 1).startswith(expected)


def test_rows_that_are_no_text_are_bad(tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00"
    found = read(written(tmp_path, "a.txt", png))
    assert reason(found, -1).endswith("null byte in the line, as in files that are no text")
    with pytest.raises(InputError, match="is a ZIP archive, unlike its name"):
        read(written(tmp_path, "b.txt", b"PK\x03\x04rest"))
    with pytest.raises(InputError, match="a.parquet:1: the file is damaged from here on"):
        read(written(tmp_path, "a.parquet", b"no parquet"))
    found = read(written(tmp_path, "list.jsonl", b'[{"text": "x"}]\n'))
    assert "the file is a JSON array, not JSON Lines" in reason(found)


def test_a_huge_line_is_a_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textmill.corpus.reading.lines.max_document_bytes", lambda limits: 1000)
    for name, content in (("a.txt", b"%s\nb\n"), ("a.jsonl", b'{"text": "%s"}\n{"text": "b"}\n')):
        huge, last = read(written(tmp_path, name, content % (b"x" * 5000)))
        assert reason([huge]) == "1: it is longer than 64 MiB"
        assert isinstance(last, InputRow)


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    [row] = read(written(tmp_path, "a.jsonl", rb'{"text": "a\ud800b", "id": "\udfff"}'))
    assert isinstance(row, InputRow)
    assert (row.given, row.values["id"]) == ("a\ufffdb", "\ufffd")


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_an_empty_file_has_no_rows(tmp_path: Path, name: str) -> None:
    assert read(written(tmp_path, name, b"")) == []
    assert read(written(tmp_path, name, b"text\n" if name == "a.csv" else b"")) == []


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[bytes], None]]:
    with ExitStack() as opened:

        def put(content: bytes) -> None:
            stream = written(tmp_path, "stdin", content).open(encoding="utf-8")
            monkeypatch.setattr(sys, "stdin", opened.enter_context(stream))

        yield put


def rows_of_stdin(form: InputFormat | None, *names: str) -> list[InputRow | BadRow]:
    rows = InputRows([standard_input(form)], InputColumns(TASK, names, {}))
    assert rows.share() is None
    assert not rows.can_be_read_again
    return list(rows)


def test_standard_input_has_lines_of_text_or_the_format_that_is_given(
    stdin: Callable[[bytes], None],
) -> None:
    stdin(b'{"a": 1}\n')
    [line] = rows_of_stdin(None, "text")
    assert parts(line) == ({"text": '{"a": 1}'}, '{"a": 1}', "standard input:1")
    stdin(as_csv(ROWS, ";"))
    assert [row.given for row in rows_of_stdin("csv", "text") if isinstance(row, InputRow)] == [
        row["text"] for row in ROWS
    ]
    stdin("Grüße\n".encode("latin-1"))
    assert reason(rows_of_stdin(None, "text")) == (
        "1: not valid UTF-8 at byte 3 of the line: convert it to UTF-8"
    )
    stdin(as_parquet(ROWS))
    with pytest.raises(InputError, match="Parquet cannot be read from standard input"):
        rows_of_stdin("parquet", "text")


def test_a_model_with_several_columns_reads_objects(
    stdin: Callable[[bytes], None], tmp_path: Path
) -> None:
    names = ("question", "context")
    line = '{"context": "Ann is in.", "question": "Who?", "id": 3}\n'
    given = {"question": "Who?", "context": "Ann is in."}
    stdin(f"{line}Who?\n".encode())
    first, second = rows_of_stdin(None, *names)
    assert parts(first) == (json.loads(line), given, "standard input:1")
    assert reason([second]).endswith('write {"question": "…", "context": "…"} on each line')
    [row] = read(written(tmp_path, "a.txt", line.encode()), names=names)
    assert isinstance(row, InputRow)
    assert row.given == given
    with pytest.raises(InputError, match="The model reads question and context, and lines"):
        read(tmp_path / "a.txt", form="text", names=names)


def test_an_argument_is_a_text_or_an_object() -> None:
    columns = InputColumns(TASK, ("text",), {})
    [row] = InputRows([argument_source('{"a": 1}\nb', columns)], columns)
    assert parts(row) == ({"text": '{"a": 1}\nb'}, '{"a": 1}\nb', "the text:1")
    pair = InputColumns(TASK, ("text", "text_pair"), {})
    text = '{"text": "a",\n "text_pair": "b"}'
    [row] = InputRows([argument_source(text, pair)], pair)
    assert isinstance(row, InputRow)
    assert row.given == {"text": "a", "text_pair": "b"}


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv.gz", "a.parquet"])
def test_the_share_that_has_been_read_grows_to_the_whole(tmp_path: Path, name: str) -> None:
    many = [{"text": f"text {i} " * 20, "id": str(i)} for i in range(5000)]
    content = {
        "a.jsonl": as_jsonl(many),
        "a.csv.gz": gzip.compress(as_csv(many)),
        "a.parquet": as_parquet(many),
    }[name]
    file = written(tmp_path, name, content)
    rows = InputRows(file_sources([str(file)] * 2, None), InputColumns(TASK, ("text",), {}))
    shares = [rows.share() or 0.0 for _ in rows]
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert 0.4 < shares[5000] < 0.7
    assert shares[-1] > 0.95
    assert rows.share() == 1.0
