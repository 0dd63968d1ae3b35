"""Specifies what ends a line of a file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.corpus.reading.line_ends import CrAsLf, json_line
from textmill.corpus.reading.lines import read_lines


@given(st.text("a\r\n", max_size=30), st.integers(1, 5))
def test_all_ends_become_lf_wherever_reads_part_them(text: str, n_bytes: int) -> None:
    stream = CrAsLf(io.BufferedReader(io.BytesIO(text.encode()), 1))  # type: ignore[arg-type]
    content = b""
    while part := stream.read(n_bytes):
        content += part
    assert content == text.replace("\r\n", "\n").replace("\r", "\n").encode()


@given(st.text())
def test_a_line_of_json_is_one_for_every_reader(text: str) -> None:
    (line,) = json_line({"text": text}).splitlines()
    assert json.loads(line) == {"text": text}


def lines(file: Path, content: bytes) -> list[bytes]:
    file.write_bytes(content)
    return [line.rstrip(b"\r\n") for _, line, _ in read_lines(file)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_cr_ends_the_lines_of_a_file_that_has_no_lf(tmp_path: Path, encoding: str) -> None:
    content = "один\rдва слова\r\rтри\r".encode(encoding)
    expected = [text.encode() for text in ("один", "два слова", "", "три")]
    assert lines(tmp_path / "x.txt", content) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_cr_amid_a_line_is_text_where_lines_end_in_lf(tmp_path: Path, end: bytes) -> None:
    content = b"First\rhalf" + end + b"second" + end
    assert lines(tmp_path / "x.txt", content) == [b"First\rhalf", b"second"]


def test_a_large_file_of_cr_lines_is_read_in_parts(tmp_path: Path) -> None:
    numbers = [str(n).encode() for n in range(50_000)]
    assert lines(tmp_path / "x.txt", b"\r".join(numbers)) == numbers


def test_a_long_first_line_that_ends_in_crlf_is_one_line(tmp_path: Path) -> None:
    for size in (32_767, 32_768, 65_535, 65_536):
        content = b"x" * size
        assert lines(tmp_path / "x.txt", content + b"\r\ny\r\n") == [content, b"y"]
