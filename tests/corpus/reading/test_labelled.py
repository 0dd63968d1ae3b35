"""Specifies where labelled records are read from."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from textmill.corpus.reading.labelled import read_labelled
from textmill.corpus.reading.records import BadRecord, Record


def test_one_file_two_files_and_a_data_set_give_the_same_records(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("en,de\nhello,hallo\nyes,ja\n")
    (tmp_path / "test.en").write_text("hello\nyes\n")
    (tmp_path / "test.de").write_text("hallo\nja\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "test.csv").write_text("en,de\nhello,hallo\nyes,ja\n")
    columns = {"en": "tasks.t.source", "de": "tasks.t.target"}
    one = read_labelled([str(tmp_path / "pairs.csv")], columns)
    two = read_labelled([str(tmp_path / "test.en"), str(tmp_path / "test.de")], columns)
    hub = read_labelled(["test"], columns, str(tmp_path / "set"))
    expected = [{"en": "hello", "de": "hallo"}, {"en": "yes", "de": "ja"}]
    for records in (one, two, hub):
        assert [cast(Record, record).values for record in records] == expected


def test_an_encoding_that_is_named_is_that_of_the_files(tmp_path: Path) -> None:
    file = tmp_path / "test.csv"
    file.write_bytes("text\nчай\n".encode("koi8-r"))
    (named,) = read_labelled([str(file)], {"text": "tasks.t.text"}, encoding="koi8-r")
    assert cast(Record, named).values == {"text": "чай"}
    (unknown,) = read_labelled([str(file)], {"text": "tasks.t.text"})
    assert isinstance(unknown, BadRecord)
