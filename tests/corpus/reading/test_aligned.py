"""Specifies plain text files that belong together line by line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from textmill.corpus.reading.aligned import read_aligned
from textmill.corpus.reading.records import TOO_LONG, BadRecord, Record
from textmill.errors import InputError

COLUMNS = ("en", "de")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "a.en").write_text("The room.\nA meal.\n")
    (tmp_path / "a.de").write_bytes("\ufeffDas Zimmer.\r\nEin Essen.\r\n".encode())
    return [tmp_path / "a.en", tmp_path / "a.de"]


def test_lines_become_columns_of_a_record(files: list[Path]) -> None:
    assert list(read_aligned(files, COLUMNS)) == [
        Record({"en": "The room.", "de": "Das Zimmer."}, str(files[0]), 1),
        Record({"en": "A meal.", "de": "Ein Essen."}, str(files[0]), 2),
    ]


def test_a_compressed_file_goes_with_a_plain_one(files: list[Path]) -> None:
    packed = files[1].with_name("a.de.gz")
    packed.write_bytes(gzip.compress(files[1].read_bytes()))
    plain = list(read_aligned(files, COLUMNS))
    assert list(read_aligned([files[0], packed], COLUMNS)) == plain


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-be"])
def test_each_file_is_read_in_its_own_encoding(files: list[Path], encoding: str) -> None:
    texts = ["Das Zimmer hat kein Fenster, aber eine schöne Tür.", "Die Straße führt über Brücken."]
    files[1].write_bytes("\n".join(texts).encode(encoding))
    found = [r.values["de"] for r in read_aligned(files, COLUMNS) if isinstance(r, Record)]
    assert found == texts


def test_an_encoding_that_is_named_is_that_of_all_files(files: list[Path]) -> None:
    for file in files:
        file.write_bytes("чай\n".encode("koi8-r"))
    (record,) = read_aligned(files, COLUMNS, "koi8-r")
    assert isinstance(record, Record)
    assert record.values == {"en": "чай", "de": "чай"}


def test_files_of_different_length_are_refused_with_their_numbers_of_lines(
    files: list[Path],
) -> None:
    files[1].write_text("Das Zimmer.\n")
    with pytest.raises(InputError, match="a.en has 2 lines and .*a.de has 1 lines"):
        list(read_aligned(files, COLUMNS))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"Das Zimmer.\n \n", "the line is empty"),
        (b"Das Zimmer.\nE\xff\n", "not valid UTF-8 at byte 2 of the line"),
        (b"Das Zimmer.\n" + b"x" * (65 << 20), TOO_LONG),
    ],
)
def test_a_bad_line_is_a_bad_record_of_its_file(
    files: list[Path], content: bytes, reason: str
) -> None:
    files[1].write_bytes(content)
    _, bad = read_aligned(files, COLUMNS)
    assert isinstance(bad, BadRecord)
    assert (bad.file, bad.line, bad.reason) == (str(files[1]), 2, reason)


def test_a_missing_or_damaged_file_is_named(files: list[Path]) -> None:
    packed = files[1].with_name("a.de.gz")
    packed.write_bytes(gzip.compress(files[1].read_bytes())[:-9])
    for file in (files[1].with_name("nowhere"), packed):
        with pytest.raises(InputError, match=file.name):
            list(read_aligned([files[0], file], COLUMNS))
