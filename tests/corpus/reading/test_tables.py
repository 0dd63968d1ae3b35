"""Specifies how tables are read: CSV with any separator, Parquet, and columns."""

from __future__ import annotations

import csv
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.reading.test_records import COLUMNS, ROWS, outcomes, written
from textmill.config import LimitsConfig
from textmill.corpus.reading.records import (
    MAX_DEPTH,
    TOO_DEEP,
    BadRecord,
    Record,
    read_records,
)
from textmill.errors import InputError


def test_parquet_gives_the_same_records_numbered_by_row(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), file)
    assert outcomes(file) == [(1, ROWS[0]), (2, ROWS[1])]
    assert outcomes(file, {"label": "x"})[0] == (1, {"label": "a"})


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (b"1\n3,4\n", [(2, "1 fields, and the header has 2"), (3, {"a": "3", "b": "4"})]),
        (b"1,2,3\n3,4\n", [(2, "3 fields, and the header has 2"), (3, {"a": "3", "b": "4"})]),
        (b"1,\xff\n3,4\n", [(2, "not valid UTF-8"), (3, {"a": "3", "b": "4"})]),
        (
            b'"x"y,2\n3,4\n',
            [(2, "not valid CSV: ',' expected after '\"'"), (3, {"a": "3", "b": "4"})],
        ),
        (
            b'1,"open\n3,4\n5,6\n',
            [
                (2, "not valid CSV: unexpected end of data"),
                (3, {"a": "3", "b": "4"}),
                (4, {"a": "5", "b": "6"}),
            ],
        ),
    ],
    ids=["too few", "too many", "not UTF-8", "stray quote", "quote never closed"],
)
def test_a_broken_csv_row_is_bad_and_the_others_are_read(
    tmp_path: Path, rows: bytes, expected: list[tuple[int, object]]
) -> None:
    assert outcomes(written(tmp_path, "rows.csv", b"a,b\n" + rows)) == expected


def test_large_csv_fields_are_read_and_the_limit_of_the_process_is_left_alone(
    tmp_path: Path,
) -> None:
    limit = csv.field_size_limit()
    file = written(tmp_path, "rows.csv", b"a\n" + b"x" * 200_000 + b"\n")
    records = read_records(file)
    assert next(records) == Record({"a": "x" * 200_000}, str(file), 2)
    assert csv.field_size_limit() == limit


def test_a_csv_record_of_many_lines_has_the_same_limit(tmp_path: Path) -> None:
    rows = b"a,b\n1,2\n" + b'3,"open\n' + b"5,6\n" * 400_000
    items = read_records(
        written(tmp_path, "rows.csv", rows), limits=LimitsConfig(max_document_mib=1)
    )
    assert next(items).line == 2
    bad = next(items)
    assert isinstance(bad, BadRecord)
    assert (bad.line, bad.reason[:8], bad.raw) == (3, "too long", '3,"open')
    assert next(items) == Record({"a": "5", "b": "6"}, bad.file, 4)


def test_a_parquet_file_that_unpacks_to_too_much_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["x" * 10_000] * 8000}), file)
    with pytest.raises(InputError, match=r"bomb: .*sources\[b\]\.limits\.max_unpacked_ratio"):
        for _ in read_records(file, limits=LimitsConfig(), setting="corpus.sources[b]"):
            pass
    wide = LimitsConfig(max_unpacked_ratio=100_000)
    assert sum(1 for _ in read_records(file, limits=wide)) == 8000


def test_large_rows_of_parquet_are_not_read_by_the_thousand(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    texts = [f"{n:07}" * (1 << 17) for n in range(100)]
    pq.write_table(pa.table({"text": texts}), file, use_dictionary=False, compression="none")
    del texts
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_records(file)) == 100
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()


def test_broken_utf8_in_parquet_is_a_bad_record(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    texts = pa.array([b"a", b"\xff", b"c"], pa.binary()).cast(pa.string(), safe=False)
    texts = pa.StringArray.from_buffers(3, texts.buffers()[1], texts.buffers()[2])
    pq.write_table(pa.table({"text": texts}), file)
    assert outcomes(file) == [(1, {"text": "a"}), (2, "not valid UTF-8"), (3, {"text": "c"})]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (pa.array([1, 2**40], pa.timestamp("s")), "date value out of range"),
        (pa.array([1, 2**62], pa.timestamp("ms")), "too large"),
        (pa.array([1, 2**62], pa.timestamp("us", "Europe/Berlin")), "date value out of range"),
        (pa.array([None, 1], pa.timestamp("us", "Nowhere/Town")), "Nowhere/Town"),
        (pa.array([1, 2**30], pa.date32()), "must have magnitude"),
        (pa.array([1, 2**60], pa.time64("us")), "date value out of range"),
        (pa.array([[1], [2**62]], pa.list_(pa.timestamp("us"))), "date value out of range"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_a_value_of_parquet_that_python_cannot_hold_makes_its_row_bad(
    tmp_path: Path, values: pa.Array, reason: str
) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "day": values}), file)
    first, second = read_records(file)
    assert isinstance(first, Record)
    assert isinstance(second, BadRecord)
    assert "column 'day' cannot be converted" in second.reason
    assert reason in second.reason
    assert [values for _, values in outcomes(file, {"text": "x"})] == [{"text": "a"}, {"text": "b"}]


def test_all_columns_of_parquet_need_names_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table([["a"], [1]], ["text", "text"]), file)
    with pytest.raises(InputError, match="more than one column 'text': rename all but one"):
        [*read_records(file)]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_a_column_that_is_missing_everywhere_is_an_error_with_setting_and_guess(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(pa.table({"text": ["x"], "intent_label": ["y"]}), file)
    else:
        file.write_text(
            "text,intent_label\nx,y\n" if "csv" in name else '{"text": "x", "intent_label": "y"}\n'
        )
    with pytest.raises(InputError) as caught:
        list(read_records(file, {"text": "tasks.t.text", "intent_lable": "tasks.t.label"}))
    assert str(caught.value) == (
        f"{file} has no column 'intent_lable', which tasks.t.label names; it has 'text', "
        "'intent_label'. Did you mean 'intent_label'? Set tasks.t.label to the right column."
    )


@pytest.mark.parametrize("separator", [";", "\t", "|", ", ", "; "])
def test_csv_is_read_by_the_separator_that_gives_the_needed_columns(
    tmp_path: Path, separator: str
) -> None:
    rows = ["text{}label", '"one, two; three|four"{}"a"', "plain{}b"]
    content = "\n".join(rows).replace("{}", separator).encode()
    expected = [
        (2, {"text": "one, two; three|four", "label": "a"}),
        (3, {"text": "plain", "label": "b"}),
    ]
    assert outcomes(written(tmp_path, "rows.csv", content), COLUMNS) == expected


@pytest.mark.parametrize(
    "header", ["text, label", " text ,label ", "\ufefftext,label", '\ufeff"text", "label"']
)
def test_blanks_and_marks_are_no_part_of_a_column_of_csv(tmp_path: Path, header: str) -> None:
    file = written(tmp_path, "rows.csv", f'{header}\n"x, y", "a"\n'.encode())
    assert outcomes(file, COLUMNS) == [(2, {"text": "x, y", "label": "a"})]
    # A configuration may have copied the blank into the column's name.
    ((_, values),) = outcomes(file, {" label": "tasks.t.label"})
    assert isinstance(values, dict)
    assert values[" label"] == "a"


def test_a_blank_behind_a_quote_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.csv", b'text,label\n"x, y" ,a\nz,b\n')
    (_, reason), (_, values) = outcomes(file, COLUMNS)
    assert "there is a space between it and the separator" in str(reason)
    assert values == {"text": "z", "label": "b"}


def test_a_column_that_is_missing_in_a_file_with_another_separator_gets_a_guess(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, "rows.csv", b"text;labels\nx;y\n")
    with pytest.raises(InputError, match="it has 'text', 'labels'. Did you mean 'labels'"):
        list(read_records(file, COLUMNS))


def test_a_carriage_return_amid_an_unquoted_row_is_named_in_our_words(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.csv", b"text,label\nx\ry,a\nz,b\n")
    (_, reason), (_, values) = outcomes(file, COLUMNS)
    assert reason == "not valid CSV: a carriage return within the line, outside of quotes"
    assert values == {"text": "z", "label": "b"}


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_other_separators_are_text(tmp_path: Path, name: str, mark: str) -> None:
    text = f"one{mark}two"
    line = f"{text},a" if name == "rows.csv" else json.dumps({"text": text, "label": "a"})
    header = "text,label\n" if name == "rows.csv" else ""
    file = written(tmp_path, name, f"{header}{line}\n".encode())
    ((_, values),) = outcomes(file, COLUMNS)
    assert values == {"text": text, "label": "a"}


NESTED = [{"id": 1, "translation": {"en": "tree", "de": "Baum"}}, {"id": 2, "translation": None}]


def test_a_dotted_name_reads_a_nested_column(tmp_path: Path) -> None:
    columns = {"translation.en": "tasks.t.source", "translation.de": "tasks.t.target"}
    lines = "".join(json.dumps(row) + "\n" for row in NESTED).encode()
    pq.write_table(pa.Table.from_pylist(NESTED), tmp_path / "rows.parquet")
    for file in (written(tmp_path, "rows.jsonl", lines), tmp_path / "rows.parquet"):
        (_, values), (_, reason) = outcomes(file, columns)
        assert isinstance(values, dict)
        assert (values["translation.en"], values["translation.de"]) == ("tree", "Baum")
        assert reason == "has no 'translation.en' and no 'translation.de'"
        with pytest.raises(InputError, match="no column 'en'.*Did you mean 'translation.en'"):
            list(read_records(file, {"en": "tasks.t.source"}))


def test_a_column_whose_name_has_a_dot_comes_before_a_nested_one(tmp_path: Path) -> None:
    row = {"a.b": "plain", "a": {"b": "nested", "c.d": {"e": "deep"}}}
    file = written(tmp_path, "rows.jsonl", json.dumps(row).encode())
    ((_, values),) = outcomes(file, {"a.b": "x", "a.c.d.e": "y"})
    assert isinstance(values, dict)
    assert (values["a.b"], values["a.c.d.e"]) == ("plain", "deep")


def test_a_message_lists_ten_columns_and_the_number_of_the_others(tmp_path: Path) -> None:
    row = {f"column{n}": n for n in range(25)}
    file = written(tmp_path, "rows.jsonl", json.dumps(row).encode())
    with pytest.raises(InputError, match=r"'column0', .*'column9' and 15 others\.") as caught:
        list(read_records(file, {"text": "tasks.t.text"}))
    assert "'column10'" not in str(caught.value)


def test_a_comma_after_an_object_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.jsonl", b'{"n": 1},\n{"n": 2}\n')
    assert outcomes(file) == [
        (1, "not valid JSON: a comma after the object"),
        (2, {"n": 2}),
    ]


@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_json_that_is_nested_too_deeply_is_bad(tmp_path: Path, pair: str) -> None:
    begin, end = pair if pair == "[]" else ('{"x":', "}")
    lines = [f'{{"text": {begin * n}0{end * n}}}' for n in (MAX_DEPTH - 1, MAX_DEPTH, 480, 100_000)]
    file = written(tmp_path, "rows.jsonl", "\n".join(lines).encode())
    first, *others = read_records(file)
    assert isinstance(first, Record)
    assert [item.reason for item in others if isinstance(item, BadRecord)] == [TOO_DEEP] * 3


def test_wide_json_is_not_deep(tmp_path: Path) -> None:
    row = {"text": [[n] for n in range(10 * MAX_DEPTH)]}
    assert outcomes(written(tmp_path, "rows.jsonl", json.dumps(row).encode())) == [(1, row)]


def test_numbers_have_the_names_that_the_schema_of_a_parquet_file_gives_them(
    tmp_path: Path,
) -> None:
    names = {"names": ["O", "B-PER"], "_type": "ClassLabel"}
    features = {
        "label": names,
        "tags": {"feature": names, "_type": "List"},
        "old": {"feature": names, "_type": "Sequence"},
        "inner": {"label": names},
        "n": {"dtype": "int64", "_type": "Value"},
    }
    row = {"label": 1, "tags": [0, 1], "old": [1], "inner": {"label": 0}, "n": 1}
    unlabelled = {"label": -1, "tags": [0], "old": [], "inner": {"label": None}, "n": 1}
    table = pa.Table.from_pylist([row, unlabelled]).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    first, second = (values for _, values in outcomes(tmp_path / "rows.parquet"))
    assert first == {
        "label": "B-PER",
        "tags": ["O", "B-PER"],
        "old": ["B-PER"],
        "inner": {"label": "O"},
        "n": 1,
    }
    assert second == unlabelled | {"label": None, "tags": ["O"]}


def test_dictionary_encoded_columns_are_read_by_their_values(tmp_path: Path) -> None:
    table = pa.table({"label": pa.array(["a", "b", "a"]).dictionary_encode()})
    pq.write_table(table, tmp_path / "rows.parquet")
    values = [values for _, values in outcomes(tmp_path / "rows.parquet")]
    assert values == [{"label": "a"}, {"label": "b"}, {"label": "a"}]
