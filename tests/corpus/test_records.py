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
from textmill.corpus.decoding import Decoding
from textmill.corpus.records import (
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
    with pytest.raises(InputError, match=r"bombs do: .*sources\[b\]\.limits\.max_unpacked_ratio"):
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
        rf"{re.escape(str(file))}:\d+: the file cannot be read on \(Compressed file ended before",
        str(raised.value),
    )


def test_frames_one_after_another_are_read_as_one_file(tmp_path: Path) -> None:
    for packed in (".gz", ".zst"):
        halves = PACK[packed](b'{"n": 1}\n{"n"') + PACK[packed](b": 2}\n")
        file = written(tmp_path, f"rows.jsonl{packed}", halves)
        assert outcomes(file) == [(1, {"n": 1}), (2, {"n": 2})]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl.gz", "rows.csv.zst"])
def test_a_file_that_is_not_what_its_name_says_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}:1: the file cannot be read on"):
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


def test_a_csv_file_with_semicolons_is_told_apart(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.csv", b"text;label\nx;y\n")
    with pytest.raises(InputError, match="must be separated by commas"):
        list(read_records(file, {"text": "tasks.t.text"}))


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
        assert all(1 <= item.line <= content.count(b"\n") + 1 for item in items)
    for name in ("x.csv.gz", "x.jsonl.zst", "x.parquet"):
        with suppress(InputError):
            list(read_records(written(folder, name, content)))


def test_json_lines_are_read_without_the_heavy_libraries(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.jsonl", b'{"n": 1}\n')
    program = (
        "import sys; from pathlib import Path; from textmill.corpus.records import read_records;"
        f"print(len(list(read_records(Path({str(file)!r})))),"
        "{'pyarrow', 'zstandard', 'datasets', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "1 set()\n"
