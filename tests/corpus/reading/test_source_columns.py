"""Specifies sources whose files are records or pages."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.corpus.reading.test_sources import source, texts
from textmill.config import SourceConfig
from textmill.corpus.reading.records import TOO_LONG, BadRecord
from textmill.corpus.reading.sources import (
    RawDocument,
    read_documents,
    read_line_texts,
)
from textmill.errors import InputError


def test_records_give_their_text_column(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"body": ["x", None], "n": [1, 2]}), file)
    assert list(read_documents(source(file, text="body", language="en"))) == [
        RawDocument("x", "books", "en", str(file), 1),
        BadRecord(str(file), 2, "column 'body' is empty (null)", "None"),
    ]


def test_a_text_that_is_no_string_is_a_bad_record(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": 7}\n{"text": "x"}\n')
    assert texts(source(tmp_path)) == [(1, "column 'text' is of type int, not text"), (2, "x")]


def test_a_wrong_text_column_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("body\nx\n")
    with pytest.raises(InputError, match=r"corpus\.sources\[books\]\.text"):
        list(read_documents(source(tmp_path)))


def test_a_hub_folder_gives_documents(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "x"}\n')
    config = SourceConfig(name="h", hub=str(tmp_path))
    assert list(read_documents(config)) == [RawDocument("x", "h", "und", f"{tmp_path}:train", 1)]


def test_an_html_file_is_one_page_in_the_encoding_it_declares(tmp_path: Path) -> None:
    pages = {
        "a.html": "<p>Straße</p>\n\n<p>zwei</p>\n".encode(),
        "b.htm.gz": gzip.compress(b"<meta charset=windows-1251><p>" + "река".encode("cp1251")),
        "c.HTML.zst": zstandard.ZstdCompressor().compress(b"<p>caf\xe9</p>"),
        "d.html": b"",
    }
    for name, content in pages.items():
        (tmp_path / name).write_bytes(content)
    found = list(read_documents(source(tmp_path, documents="line")))
    assert found == [
        RawDocument(text, "books", "und", str(tmp_path / name), 1, is_html=True)
        for name, text in {
            "a.html": "<p>Straße</p>\n\n<p>zwei</p>\n",
            "b.htm.gz": "<meta charset=windows-1251><p>река",
            "c.HTML.zst": "<p>café</p>",
            "d.html": "",
        }.items()
    ]


def test_a_page_that_declares_nothing_right_is_read_in_the_encoding_found(tmp_path: Path) -> None:
    page = "<title>Вокзал</title>\n<p>Старый проводник рассказывал, как пути занесло снегом.</p>\n"
    wrong = f"<meta charset=utf-8>{page}"
    (tmp_path / "a.html").write_bytes(page.encode("koi8-r"))
    (tmp_path / "b.html").write_bytes(wrong.encode("cp1251"))
    (tmp_path / "c.html").write_bytes(page.encode("utf-16"))
    assert [text for _, text in texts(source(tmp_path))] == [page, wrong, page]
    named = source(tmp_path / "b.html", encoding="koi8-r")
    assert texts(named) == [(1, wrong.encode("cp1251").decode("koi8-r"))]


def test_a_file_too_large_for_a_page_is_not_read_to_its_end(tmp_path: Path) -> None:
    line = b"<p>" + b"x" * 1_000_000 + b"\n"
    (tmp_path / "large.html.gz").write_bytes(gzip.compress(line * 3, 1))
    (item,) = read_documents(source(tmp_path, limits={"max_document_mib": 2}))
    assert isinstance(item, BadRecord)
    assert (item.reason, len(item.raw)) == (TOO_LONG, 2000)


def test_a_column_holds_html_when_the_source_says_so(tmp_path: Path) -> None:
    file = tmp_path / "pages.jsonl"
    file.write_text('{"body": "<p>x</p>"}\n')
    (item,) = read_documents(source(file, text="body", html=True))
    assert isinstance(item, RawDocument)
    assert (item.text, item.is_html) == ("<p>x</p>", True)
    with pytest.raises(ValueError, match="'books': HTML pages cannot be joined"):
        source(file, html=True, join_chars=10)


LINES = ["Anna left the garden.", "First half\rsecond half", "", "Third\u2028line"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_the_texts_of_a_file_are_its_lines_one_for_each(
    tmp_path: Path, encoding: str, end: str, is_packed: bool
) -> None:
    content = "".join(line + end for line in LINES).encode(encoding)
    file = tmp_path / ("x.txt.gz" if is_packed else "x.txt")
    file.write_bytes(gzip.compress(content) if is_packed else content)
    assert list(read_line_texts(file)) == LINES


def test_the_texts_of_a_file_in_windows_1252_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes("A caf\xe9 in Paris\n".encode("cp1252"))
    assert list(read_line_texts(tmp_path / "x.txt")) == ["A caf\xe9 in Paris"]


def test_the_texts_of_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.txt does not exist"):
        list(read_line_texts(tmp_path / "nowhere.txt"))
    with pytest.raises(InputError, match="is not a file"):
        list(read_line_texts(tmp_path))
