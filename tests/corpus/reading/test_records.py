"""Specifies how structured files become records, and what happens to broken ones."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.linear_time import assert_linear
from textmill.config import LimitsConfig
from textmill.corpus.reading.decoding import Decoding
from textmill.corpus.reading.records import (
    TOO_LONG,
    BadRecord,
    Record,
    RecordFormat,
    read_records,
    read_text_records,
    read_whole_records,
    record_format,
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
TSV = b'text\tlabel\r\none, two\ta\r\n\r\n"Gr\xc3\xbc\xc3\x9fe\nthere"\tb\r\n'
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
    ("kind", "content", "lines"),
    [(".jsonl", JSONL, [1, 3]), (".csv", CSV, [2, 4]), (".tsv", TSV, [2, 4])],
)
def test_text_formats_give_the_same_records_however_packed(
    tmp_path: Path, kind: str, content: bytes, lines: list[int], packed: str, bom: bytes
) -> None:
    file = written(tmp_path, f"rows{kind}{packed}", PACK[packed](bom + content))
    assert outcomes(file) == list(zip(lines, ROWS, strict=True))


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


def test_quotes_that_never_close_cost_no_quadratic_time(tmp_path: Path) -> None:
    # Such a line leaves a quote open whether it begins a record or goes on with one.
    def file(rows: int) -> Path:
        return written(tmp_path, f"{rows}.csv", b"a,b\n" + b'x",",y\n' * rows)

    assert_linear(lambda path: list(read_records(path)), file, 25_000)
    items = list(read_records(file(1_000)))
    assert {type(item) for item in items} == {BadRecord}
    assert [item.line for item in items] == sorted({item.line for item in items})


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


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.json", "rows.parquet.gz", "rows"])
def test_an_unknown_ending_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.jsonl, .*\.csv\.zst, .*\.parquet"):
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


COLUMNS = {"text": "tasks.t.text", "label": "tasks.t.label"}


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


LINES = ["Anna left the garden.", "First half\rsecond half", "", "Third\u2028line"]


def lines_of(file: Path, encoding: str = "auto") -> list[tuple[int, object]]:
    return [
        (item.line, item.values["text"] if isinstance(item, Record) else item.reason)
        for item in read_text_records(file, Decoding(encoding), file.open("rb"))
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", PACK)
def test_the_texts_of_a_file_are_its_lines_one_for_each(
    tmp_path: Path, encoding: str, end: str, packed: str
) -> None:
    content = "".join(line + end for line in LINES).encode(encoding)
    file = written(tmp_path, f"x.txt{packed}", PACK[packed](content))
    assert lines_of(file) == list(enumerate(LINES, 1))


def test_lines_that_are_not_utf_8_are_windows_1252_unless_an_encoding_is_given(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, "x.txt", "One\nA caf\xe9 in Paris\n".encode("cp1252"))
    assert lines_of(file) == [(1, "One"), (2, "A caf\xe9 in Paris")]
    assert lines_of(file, "utf-8") == [(1, "One"), (2, "not valid UTF-8 at byte 6 of the line")]


def test_a_line_that_is_too_long_is_bad_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textmill.corpus.reading.lines.max_document_bytes", lambda limits: 1000)
    file = written(tmp_path, "x.txt", b"a\n" + b"x" * 5000 + b"\nb\n")
    assert lines_of(file) == [(1, "a"), (2, TOO_LONG), (3, "b")]


WHOLE: dict[RecordFormat, tuple[bytes, list[dict[str, object]]]] = {
    "jsonl": (
        b'{"a": "x", "in": {"n": 1}}\n{"b": "y"}\n',
        [{"a": "x", "in": {"n": 1}}, {"b": "y"}],
    ),
    "csv": (b"a;b\n1,2;3\n", [{"a": "1,2", "b": "3"}]),
    "tsv": (b"a\tb\n1,2\t3\n", [{"a": "1,2", "b": "3"}]),
}


@pytest.mark.parametrize("form", WHOLE)
def test_whole_records_have_all_columns_as_they_are(tmp_path: Path, form: RecordFormat) -> None:
    content, expected = WHOLE[form]
    file = written(tmp_path, "rows.xyz", content)
    choices = [{"text"}, {"b"}]  # by which the separator is found
    found = read_whole_records(file, form, choices, Decoding(), file.open("rb"))
    assert [item.values for item in found if isinstance(item, Record)] == expected


def test_columns_of_one_name_cannot_all_be_kept(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.csv", b"a,b,a\n1,2,3\n")
    with pytest.raises(InputError, match=r"rows\.csv has more than one column 'a': rename"):
        list(read_whole_records(file, "csv", [{"b"}], Decoding(), file.open("rb")))


def test_the_name_of_a_file_says_its_format() -> None:
    assert record_format(Path("A.TSV.GZ")) == "tsv"
    assert record_format(Path("a.parquet")) == "parquet"
    assert record_format(Path("jsonl.txt")) is None
    assert record_format(Path("a.parquet.gz")) is None
