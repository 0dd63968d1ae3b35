"""Specifies how structured files become records, and what happens to broken ones."""

from __future__ import annotations

import csv
import gzip
import json
import re
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.config import LimitsConfig
from textmill.corpus.reading.decoding import Decoding
from textmill.corpus.reading.records import (
    BadRecord,
    Record,
    read_records,
)
from textmill.errors import InputError

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".zst": lambda content: zstandard.ZstdCompressor().compress(content),
}
ROWS = [{"text": "one, two", "label": "a"}, {"text": "Grüße\nthere", "label": "b"}]
# What begins a file that is packed.
REFUSED = (
    b"PK",
    b"7z",
    b"Rar!",
    b"\x1f\x8b",
    b"(\xb5",
    b"BZh",
    b"\xfd7z",
)
JSONL = (
    b'{"text": "one, two", "label": "a"}\n\n{"text": "Gr\xc3\xbc\xc3\x9fe\\nthere", "label": "b"}'
)
CSV = b'text,label\r\n"one, two",a\r\n\r\n"Gr\xc3\xbc\xc3\x9fe\nthere",b\r\n'


def written(folder: Path, name: str, content: bytes) -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def outcomes(file: Path, columns: dict[str, str] | None = None) -> list[tuple[int, object]]:
    """Return line and values, or line and reason, of every record."""
    return [
        (item.line, item.values if isinstance(item, Record) else item.reason)
        for item in read_records(file, columns)
    ]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize(
    ("kind", "content", "lines"), [(".jsonl", JSONL, [1, 3]), (".csv", CSV, [2, 4])]
)
def test_text_formats_give_the_same_records_however_packed(
    tmp_path: Path, kind: str, content: bytes, lines: list[int], packed: str, bom: bytes
) -> None:
    file = written(tmp_path, f"rows{kind}{packed}", PACK[packed](bom + content))
    assert outcomes(file) == list(zip(lines, ROWS, strict=True))


def test_parquet_gives_the_same_records_numbered_by_row(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), file)
    assert outcomes(file) == [(1, ROWS[0]), (2, ROWS[1])]
    assert outcomes(file, {"label": "x"})[0] == (1, {"label": "a"})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": ', "not valid JSON at character 10: Expecting value"),
        (b"[1, 2]", "a JSON value of type list, not an object"),
        (b"null", "a JSON value of type NoneType, not an object"),
        (b'{"text": "\xff"}', "not valid UTF-8 at byte 11 of the line"),
        (b'{"a":' * 100_000, "not usable JSON: nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not usable JSON: Exceeds the limit"),
    ],
)
def test_a_broken_json_line_is_bad_and_the_others_are_read(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    file = written(tmp_path, "rows.jsonl", b'{"n": 1}\n' + line + b'\n{"n": 3}\n')
    first, bad, last = read_records(file)
    assert isinstance(bad, BadRecord)
    assert bad.reason.startswith(reason)
    assert (bad.file, bad.line) == (str(file), 2)
    assert line.decode(errors="replace").startswith(bad.raw)
    assert len(bad.raw) <= 2000
    assert [first, last] == [Record({"n": 1}, str(file), 1), Record({"n": 3}, str(file), 3)]


def test_lone_surrogates_in_json_are_replaced_and_pairs_kept(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.jsonl", rb'{"a": ["\ud83d\ude00", "x\ud800y"], "b": "\\ud800"}')
    assert outcomes(file) == [(1, {"a": ["😀", "x\ufffdy"], "b": "\\ud800"})]


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


@pytest.mark.parametrize(
    ("name", "before", "long", "after"),
    [
        ("rows.jsonl", b'{"a": "1"}\n', b'{"a": "%s"}\n', b'{"a": "3"}\n'),
        ("rows.csv", b"a\n1\n", b"%s\n", b"3\n"),
        ("rows.csv", b"a\n1\n", b'"%s"\n', b"3\n"),
    ],
    ids=["JSON Lines", "CSV", "quoted"],
)
def test_a_line_above_the_limit_is_a_bad_record(
    tmp_path: Path, name: str, before: bytes, long: bytes, after: bytes
) -> None:
    content = long % (b"x" * (2 << 20))
    file = written(tmp_path, name, before + content + after)
    first, bad, last = read_records(file, {"a": "tasks.t.a"}, LimitsConfig(max_document_mib=1))
    assert isinstance(bad, BadRecord)
    assert bad.reason == "too long: see limits.max_document_mib of a source"
    assert bad.raw == content[:2000].decode()
    assert bad.line == before.count(b"\n") + 1
    assert [first, last] == [
        Record({"a": "1"}, str(file), bad.line - 1),
        Record({"a": "3"}, str(file), bad.line + 1),
    ]


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


def test_quotes_that_never_close_cost_no_quadratic_time(tmp_path: Path) -> None:
    # Such a line leaves a quote open whether it begins a record or goes on with one.
    file = written(tmp_path, "rows.csv", b"a,b\n" + b'x",",y\n' * 100_000)
    begin = time.process_time()
    items = list(read_records(file))
    assert time.process_time() - begin < 5
    assert {type(item) for item in items} == {BadRecord}
    assert [item.line for item in items] == sorted({item.line for item in items})


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


@pytest.mark.parametrize("packed", [".gz", ".zst"])
@pytest.mark.parametrize("kind", [".jsonl", ".csv"])
def test_a_cut_off_file_is_an_error_as_nobody_knows_what_is_lost(
    tmp_path: Path, kind: str, packed: str
) -> None:
    numbers = [str(n**7) for n in range(20_000)]
    rows = [f'{{"n": "{n}"}}' for n in numbers] if kind == ".jsonl" else ["n", *numbers]
    content = PACK[packed]("\n".join(rows).encode())
    file = written(tmp_path, f"rows{kind}{packed}", content[:-2000])
    records = []
    with pytest.raises(InputError) as raised:
        records.extend(read_records(file))
    assert re.match(
        rf"{re.escape(str(file))}:\d+: the file is damaged from here on "
        r"\(Compressed file ended before",
        str(raised.value),
    )


def test_frames_one_after_another_are_read_as_one_file(tmp_path: Path) -> None:
    for packed in (".gz", ".zst"):
        halves = PACK[packed](b'{"n": 1}\n{"n"') + PACK[packed](b": 2}\n")
        file = written(tmp_path, f"rows.jsonl{packed}", halves)
        assert outcomes(file) == [(1, {"n": 1}), (2, {"n": 2})]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl.gz", "rows.csv.zst"])
def test_a_file_that_is_not_what_its_name_says_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}:1: the file is damaged from here on"):
        list(read_records(written(tmp_path, name, b"a,b\n1,2\n")))


def test_broken_utf8_in_parquet_is_a_bad_record(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    texts = pa.array([b"a", b"\xff", b"c"], pa.binary()).cast(pa.string(), safe=False)
    texts = pa.StringArray.from_buffers(3, texts.buffers()[1], texts.buffers()[2])
    pq.write_table(pa.table({"text": texts}), file)
    assert outcomes(file) == [(1, {"text": "a"}), (2, "not valid UTF-8"), (3, {"text": "c"})]


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.json", "rows.parquet.gz", "rows"])
def test_an_unknown_ending_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.jsonl, .*\.csv\.zst, \.parquet"):
        read_records(written(tmp_path, name, b""))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.csv does not exist"):
        read_records(tmp_path / "nowhere.csv")


RUSSIAN = ("Старый проводник рассказывал", "Поезд опаздывал", "Пассажиры пили чай у окна")


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("encoding", ["koi8-r", "utf-16", "utf-16-le", "utf-16-be"])
def test_records_in_other_encodings_are_read(tmp_path: Path, encoding: str, packed: str) -> None:
    pack = PACK[packed]
    rows = "".join(f'"{text},\r\nи сказка",{n}\r\n' for n, text in enumerate(RUSSIAN))
    table = written(tmp_path, f"a.csv{packed}", pack(f"text,n\r\n{rows}".encode(encoding)))
    assert outcomes(table) == [
        (2 * n + 2, {"text": f"{text},\r\nи сказка", "n": str(n)}) for n, text in enumerate(RUSSIAN)
    ]
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in RUSSIAN)
    jsonl = written(tmp_path, f"a.jsonl{packed}", pack(lines.encode(encoding)))
    assert outcomes(jsonl) == [(n + 1, {"text": text}) for n, text in enumerate(RUSSIAN)]


@pytest.mark.parametrize(("name", "form"), [("a.csv", "{}\n"), ("a.jsonl", '{{"text": "{}"}}\n')])
def test_a_record_that_is_broken_in_the_encoding_of_its_file_is_bad(
    tmp_path: Path, name: str, form: str
) -> None:
    rows = [form.format(text).encode("gb18030") for text in ("孩子们在草地上放风筝", "天气很好")]
    broken = form.format("?").encode().replace(b"?", b"\xff\xff")
    header = b"text\n" if name == "a.csv" else b""
    file = written(tmp_path, name, header + rows[0] + broken + rows[1])
    decoding = Decoding("gb18030")
    first, bad, last = read_records(file, decoding=decoding)
    assert isinstance(bad, BadRecord)
    assert bad.reason == "not valid gb18030"
    assert "\ufffd" in bad.raw
    assert [item.values for item in (first, last) if isinstance(item, Record)] == [
        {"text": "孩子们在草地上放风筝"},
        {"text": "天气很好"},
    ]


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


COLUMNS = {"text": "tasks.t.text", "label": "tasks.t.label"}


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


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("packed", PACK)
def test_lines_end_in_lf_crlf_or_cr_alone(tmp_path: Path, end: bytes, packed: str) -> None:
    table = PACK[packed](end.join([b"text,label", b'"x, y",a', b"", b"z,b", b""]))
    file = written(tmp_path, f"rows.csv{packed}", table)
    expected = [{"text": "x, y", "label": "a"}, {"text": "z", "label": "b"}]
    assert outcomes(file, COLUMNS) == [(2, expected[0]), (4, expected[1])]
    lines = PACK[packed](end.join([b'{"text": "x"}', b'{"text": "y"}']))
    file = written(tmp_path, f"rows.jsonl{packed}", lines)
    assert outcomes(file) == [(1, {"text": "x"}), (2, {"text": "y"})]


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


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("value", ["array", "objects"])
def test_json_that_is_not_a_record_a_line_is_named_once(
    tmp_path: Path, indent: int | None, value: str
) -> None:
    if value == "array":
        content = json.dumps(ROWS, indent=indent)
    else:
        content = "\n".join(json.dumps(row, indent=indent or 1) for row in ROWS)
    ((line, reason),) = outcomes(written(tmp_path, "rows.jsonl", content.encode()))
    kind = "a JSON array" if value == "array" else "multi-line JSON"
    assert line == 1
    assert str(reason).startswith(f"the file is {kind}, not JSON Lines")


def test_a_comma_after_an_object_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.jsonl", b'{"n": 1},\n{"n": 2}\n')
    assert outcomes(file) == [
        (1, "not valid JSON: a comma after the object"),
        (2, {"n": 2}),
    ]


@pytest.mark.parametrize(
    ("line", "encoding"),
    [
        ("A caf\xe9 in Paris", "cp1252"),
        ("\x93quoted\x94", "cp1252"),
        ("A caf\xc3\xa9 and a stray \xe9", None),
    ],
)
def test_a_line_that_is_not_utf8_has_a_likely_encoding(
    tmp_path: Path, line: str, encoding: str | None
) -> None:
    content = b"".join(b"plain %d,a\n" % n for n in range(20)) + line.encode("latin-1") + b",b\n"
    items = read_records(written(tmp_path, "rows.csv", b"text,label\n" + content), COLUMNS)
    (bad,) = (item for item in items if isinstance(item, BadRecord))
    assert bad.encoding == encoding


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


def test_a_key_that_one_json_record_lacks_makes_that_record_bad(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.jsonl", b'{"b": 0}\n{"a": 1, "b": 2}\n{"b": 3}\n')
    expected = [(1, "has no 'a'"), (2, {"a": 1, "b": 2}), (3, "has no 'a'")]
    assert outcomes(file, {"a": "tasks.t.a", "b": "tasks.t.b"}) == expected


@settings(deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text('{}[]":,a1\\\n\r\ud800', max_size=60).map(
            lambda text: text.encode(errors="surrogatepass")
        ),
    ).filter(lambda content: not content.startswith(REFUSED))
)
def test_no_content_raises_another_error_than_that_nobody_knows_what_is_lost(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("x.jsonl", "x.csv"):
        items = list(read_records(written(folder, name, content)))
        n_ends = content.count(b"\n") or content.count(b"\r")
        assert all(1 <= item.line <= n_ends + 1 for item in items)
    for name in ("x.csv.gz", "x.jsonl.zst", "x.parquet"):
        with suppress(InputError):
            list(read_records(written(folder, name, content)))


def test_json_lines_are_read_without_the_heavy_libraries(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.jsonl", b'{"n": 1}\n')
    program = (
        "import sys; from pathlib import Path;"
        "from textmill.corpus.reading.records import read_records;"
        f"print(len(list(read_records(Path({str(file)!r})))),"
        "{'pyarrow', 'zstandard', 'datasets', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "1 set()\n"
