"""Specifies which files a source stands for, and how they divide into documents."""

from __future__ import annotations

import codecs
import gzip
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.config import SourceConfig
from textmill.corpus.reading.records import TOO_LONG, BadRecord
from textmill.corpus.reading.sources import (
    RawDocument,
    read_documents,
    source_files,
)
from textmill.errors import InputError

POEM = b"\n\none\ntwo\n\n \t\nthree\n\nfour\n"


def source(path: Path | str, **fields: Any) -> SourceConfig:
    return SourceConfig(name="books", path=str(path), **fields)


def texts(config: SourceConfig) -> list[tuple[int, str]]:
    return [
        (item.line, item.text if isinstance(item, RawDocument) else item.reason)
        for item in read_documents(config)
    ]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.txt", "a/z.jsonl", "a/y.txt.gz", "notes.md", ".git/c.txt", "a/.d.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("b.txt", ["b.txt"]),
        ("", ["a/y.txt.gz", "a/z.jsonl", "b.txt"]),
        ("*.txt", ["b.txt"]),
        ("**/*.txt*", ["a/y.txt.gz", "b.txt"]),
    ],
    ids=["file", "folder", "glob", "deep glob"],
)
def test_files_are_found_in_order_without_hidden_ones(
    tree: Path, path: str, expected: list[str]
) -> None:
    found = source_files(source(f"{tree}/{path}" if path else tree))
    assert [file.relative_to(tree).as_posix() for file in found] == expected


def test_a_file_whose_name_looks_like_a_pattern_is_found(tmp_path: Path) -> None:
    (tmp_path / "part[1].txt").touch()
    assert source_files(source(tmp_path / "part[1].txt")) == [tmp_path / "part[1].txt"]


@pytest.mark.parametrize(
    ("path", "problem"),
    [("nowhere", "it does not exist"), ("*.csv", "no file matches"), ("empty", "no file in")],
)
def test_nothing_found_names_source_and_path(tmp_path: Path, path: str, problem: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=problem) as caught:
        source_files(source(tmp_path / path))
    assert "'books'" in str(caught.value)
    assert str(tmp_path / path) in str(caught.value)


def test_an_unknown_kind_of_file_named_by_a_pattern_is_an_error(tree: Path) -> None:
    with pytest.raises(InputError, match=r"notes\.md.*\.txt, "):
        list(read_documents(source(tree / "*.md")))


@pytest.mark.parametrize(
    ("documents", "join_chars", "expected"),
    [
        ("file", 0, [(3, "one\ntwo\n\n \t\nthree\n\nfour")]),
        ("paragraph", 0, [(3, "one\ntwo"), (7, "three"), (9, "four")]),
        ("paragraph", 8, [(3, "one\ntwo\n\nthree"), (9, "four")]),
        ("paragraph", 99, [(3, "one\ntwo\n\nthree\n\nfour")]),
        ("line", 0, [(3, "one"), (4, "two"), (7, "three"), (9, "four")]),
        ("line", 7, [(3, "one\ntwo"), (7, "three\nfour")]),
    ],
)
@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
def test_plain_text_divides_as_asked(
    tmp_path: Path, packed: str, documents: str, join_chars: int, expected: list[tuple[int, str]]
) -> None:
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[packed]
    (tmp_path / f"poem.txt{packed}").write_bytes(pack(POEM))
    assert texts(source(tmp_path, documents=documents, join_chars=join_chars)) == expected


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ("file", [(1, TOO_LONG)]),
        ("paragraph", [(1, "one"), (3, TOO_LONG), (7, "four")]),
        ("line", [(1, "one"), (3, "two"), (4, TOO_LONG), (5, "three"), (7, "four")]),
    ],
)
def test_what_is_too_large_for_a_document_is_a_bad_record(
    tmp_path: Path, documents: str, expected: list[tuple[int, str]]
) -> None:
    long = b"x" * (2 << 20)
    (tmp_path / "a.txt").write_bytes(b"one\n\ntwo\n" + long + b"\nthree\n\nfour\n")
    config = source(tmp_path, documents=documents, limits={"max_document_mib": 1})
    assert texts(config) == expected
    assert [i.raw for i in read_documents(config) if isinstance(i, BadRecord)] == [
        ({"file": "one\n\ntwo\n", "paragraph": "two\n", "line": ""}[documents] + "x" * 2000)[:2000]
    ]


def test_many_lines_can_be_too_large_together(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes((b"x" * 999 + b"\n") * 2000 + b"\nlast\n")
    limits = {"max_document_mib": 1}
    assert texts(source(tmp_path, limits=limits)) == [(1, TOO_LONG)]
    paragraphs = source(tmp_path, documents="paragraph", limits=limits)
    assert texts(paragraphs) == [(1, TOO_LONG), (2002, "last")]
    lines = texts(source(tmp_path, documents="line", limits=limits))
    assert lines[-2:] == [(2000, "x" * 999), (2002, "last")]


def test_many_short_lines_need_little_memory(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a\n" * 500_000)
    tracemalloc.start()
    try:
        assert [len(text) for _, text in texts(source(tmp_path))] == [999_999]
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_a_value_of_parquet_can_be_too_large(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["x" * (2 << 20), "y"]}), tmp_path / "rows.parquet")
    config = source(tmp_path, limits={"max_document_mib": 1})
    assert texts(config) == [(1, TOO_LONG), (2, "y")]


def test_a_bomb_names_the_setting_of_its_source(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"0" * (80 << 20)))
    with pytest.raises(InputError, match=r"corpus\.sources\[books\]\.limits\.max_unpacked_ratio"):
        list(read_documents(source(tmp_path)))


def test_a_link_out_of_the_folder_names_the_setting_of_its_source(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.txt").write_text("secret")
    (tmp_path / "in" / "a.txt").symlink_to("../out.txt")
    with pytest.raises(InputError, match=r"set corpus\.sources\[books\]\.follow_links=true"):
        source_files(source(tmp_path / "in"))
    assert texts(source(tmp_path / "in", follow_links=True)) == [(1, "secret")]
    assert texts(source(tmp_path / "in" / "a.txt")) == [(1, "secret")]


@pytest.mark.parametrize("path", ["", "/texts.zip", "/*.zip"])
def test_that_archives_are_not_read_is_said(tmp_path: Path, path: str) -> None:
    (tmp_path / "texts.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"(?i)archives are not supported: unpack"):
        list(read_documents(source(f"{tmp_path}{path}")))


def test_windows_line_ends_divide_paragraphs_too(tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n\r\nthree\r\n")
    assert texts(source(tmp_path, documents="paragraph")) == [(1, "one\r\ntwo"), (4, "three")]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Müller – “ja”".encode("cp1252"), "Müller – “ja”"),
        ("Grüße ".encode() + b"\xff" + " Grüße".encode(), "Grüße ÿ Grüße"),
        ("gut é\n".encode() + "alt é".encode("latin-1"), "gut é\nalt é"),
        (b"\x81 \x8d", "\ufffd \ufffd"),
    ],
    ids=["cp1252", "stray byte", "mixed", "no cp1252 either"],
)
def test_bytes_that_are_not_utf8_are_read_as_cp1252(
    tmp_path: Path, content: bytes, text: str
) -> None:
    (tmp_path / "old.txt").write_bytes(content)
    assert texts(source(tmp_path)) == [(1, text)]


GERMAN = (
    "Die Bäckerei an der Brücke öffnet um sechs. „Zwei Brötchen, bitte“, sagt Frau Müller – "
    "wie jeden Morgen –, zählt das Geld auf den Tresen und grüßt die Nachbarin."
)
ENCODED = {
    "windows-1252": GERMAN,
    "gb18030": "孩子们在草地上放风筝，老人坐在树下下棋，天气很好。",
    "cp950": "孩子們在草地上放風箏，老人坐在樹下下棋，天氣很好。",
    "cp932": "木の下では老人たちが将棋をさし、子どもたちは凧をあげていました。",
    "koi8-r": "Старый проводник рассказывал, как зимой пути занесло снегом.",
    "utf-16-le": "Старый проводник рассказывал, как зимой пути занесло снегом.",
    "utf-16-be": GERMAN,
}


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize("encoding", ENCODED)
def test_lines_and_paragraphs_of_other_encodings_are_found(
    tmp_path: Path, encoding: str, packed: str
) -> None:
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[packed]
    text = ENCODED[encoding]
    content = f"1\r\n{text}\r\n\r\n{text}\n\n{text}".encode(encoding)
    (tmp_path / f"a.txt{packed}").write_bytes(pack(content))
    encodings: Counter[str] = Counter()
    config = source(tmp_path, documents="paragraph")
    found = [
        (item.line, item.text)
        for item in read_documents(config, encodings)
        if isinstance(item, RawDocument)
    ]
    assert found == [(1, f"1\r\n{text}"), (4, text), (6, text)]
    assert encodings == {codecs.lookup(encoding).name: 1}


def test_a_cut_off_text_is_an_error(tmp_path: Path) -> None:
    lines = [str(n**7) for n in range(20_000)]
    (tmp_path / "long.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode())[:-2000])
    for documents in ("line", "file"):
        with pytest.raises(
            InputError, match=r"long\.txt\.gz:\d+: the file is damaged from here on"
        ):
            list(read_documents(source(tmp_path, documents=documents)))


PIECES = [
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"a",
    "é".encode(),
    "字".encode(),
    b"\xe5\xad",
    b"\xff",
    b"\x00",
]


ANY_CONTENT = st.binary() | st.lists(st.sampled_from(PIECES)).map(b"".join)


@settings(deadline=None)
@given(
    ANY_CONTENT,
    st.sampled_from(["file", "paragraph", "line"]),
    st.integers(0, 10),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_any_plain_text_is_read_and_nothing_of_it_is_lost(
    tmp_path_factory: pytest.TempPathFactory,
    content: bytes,
    documents: str,
    joined: int,
    bom: bytes,
) -> None:
    content = b"." + content  # not the beginning of a file of another kind
    file = tmp_path_factory.mktemp("any") / "a.txt"
    file.write_bytes(bom + content)
    config = source(file, documents=documents, join_chars=joined, encoding="utf-8")
    items = list(read_documents(config))
    assert all(isinstance(item, RawDocument) for item in items)
    read = "".join(item.text for item in items if isinstance(item, RawDocument))
    decoded = "".join(map(decoded_line, content.splitlines(keepends=True)))
    assert "".join(read.split()) == "".join(decoded.split())


@settings(deadline=None)
@given(ANY_CONTENT, st.sampled_from([".txt", ".html", ".jsonl", ".csv"]))
def test_any_content_is_read_in_whatever_encoding_is_found(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    file = tmp_path_factory.mktemp("any") / f"a{suffix}"
    file.write_bytes(b"text\n" + content)
    for item in read_documents(source(file)):
        (item.text if isinstance(item, RawDocument) else item.reason).encode()


def decoded_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        # What is right UTF-8 stays, and other bytes become one character each.
        held = line.decode(errors="surrogateescape")
        return "".join(
            bytes([ord(c) - 0xDC00]).decode("cp1252", "replace") if "\udc80" <= c <= "\udcff" else c
            for c in held
        )


@settings(deadline=None)
@given(st.binary(max_size=300), st.data())
def test_no_cut_off_file_passes_for_a_whole_one(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    for suffix, pack in ((".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)):
        packed = pack(b"." + content)
        file = tmp_path_factory.mktemp("cut") / f"a.txt{suffix}"
        file.write_bytes(packed[: data.draw(st.integers(1, len(packed) - 1))])
        with pytest.raises(InputError, match="the file is damaged from here on"):
            list(read_documents(source(file)))


def test_cr_ends_the_documents_of_a_plain_text_that_has_no_lf(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"one\rtwo\rthree\r")
    found = texts(source(tmp_path / "x.txt", documents="line"))
    assert found == [(1, "one"), (2, "two"), (3, "three")]
