"""Specifies the file of labels: none is lost, whoever writes and whenever it ends."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from textmill.errors import InputError, RunError
from textmill_flows.labelling.label_writer import LabelWriter

MANY = """
import sys
from pathlib import Path
from textmill_flows.labelling.label_writer import LabelWriter
writer = LabelWriter(Path(sys.argv[1]), print)
for number in range(60):
    writer.append([{"text": sys.argv[2] * 3000, "number": number}])
    if number % 3 == 0:
        writer.undo()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "saved.jsonl"


def writer_of(file: Path, said: list[str] | None = None) -> LabelWriter:
    return LabelWriter(file, [].append if said is None else said.append)


def rows(file: Path) -> list[object]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def test_the_file_appears_with_the_first_label_and_each_is_a_line(file: Path) -> None:
    writer = writer_of(file)
    assert not file.exists()
    writer.append([{"text": "é\u2028", "label": "good"}])
    writer.append([{"text": "b"}, {"text": "c"}])
    assert rows(file) == [{"text": "é\u2028", "label": "good"}, {"text": "b"}, {"text": "c"}]
    assert (file.read_bytes().count(b"\n"), writer.n_own) == (3, 3)


def test_the_last_labels_are_taken_back_one_by_one(file: Path) -> None:
    writer = writer_of(file)
    file.write_text('{"text": "a"}\n')
    before = file.read_bytes()
    writer.append([{"text": "b"}, {"text": "c"}])
    writer.undo()
    assert rows(file) == [{"text": "a"}, {"text": "b"}]
    writer.undo()
    assert (file.read_bytes(), writer.n_own) == (before, 0)


def test_a_label_before_those_of_others_is_taken_back(file: Path) -> None:
    one, other = writer_of(file), writer_of(file)
    one.append([{"text": "a"}])
    other.append([{"text": "b"}])
    one.undo()
    assert rows(file) == [{"text": "b"}]
    other.undo()
    one.append([{"text": "c"}])
    assert rows(file) == [{"text": "c"}]


def test_a_label_that_was_changed_is_not_taken_back(file: Path) -> None:
    writer = writer_of(file)
    writer.append([{"text": "a"}])
    file.write_text('{"text": "b"}\n')
    with pytest.raises(InputError, match="was changed by another program: remove the label there"):
        writer.undo()
    assert rows(file) == [{"text": "b"}]


@pytest.mark.parametrize(
    ("end", "kept", "n_said"), [('{"text": "cu', [], 1), ('{"text": "b"}', [{"text": "b"}], 0)]
)
def test_a_line_that_a_crash_has_cut_is_removed_and_a_whole_one_ended(
    file: Path, end: str, kept: list[object], n_said: int
) -> None:
    said: list[str] = []
    file.write_text('{"text": "a"}\n' + end)
    writer_of(file, said).append([{"text": "c"}])
    assert rows(file) == [{"text": "a"}, *kept, {"text": "c"}]
    assert [f"the last line of {file} was incomplete, and is removed."] * n_said == said


def test_labels_of_others_are_noticed_and_own_ones_are_not(file: Path) -> None:
    file.write_text('{"text": "a"}\n')
    one, other = writer_of(file), writer_of(file)
    one.append([{"text": "b"}])
    one.undo()
    assert not one.has_others()
    other.append([{"text": "c"}])
    one.append([{"text": "d"}])
    assert one.has_others()
    assert not one.has_others()
    other.append([{"text": "e"}])
    assert one.has_others()


def test_a_full_disk_leaves_the_labels_before(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writer_of(file)
    writer.append([{"text": "a"}])

    def fail(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(RunError, match="the disk is full. The last label is not saved"):
            writer.append([{"text": "b"}])
    assert (rows(file), writer.n_own) == ([{"text": "a"}], 1)


def test_two_people_write_at_once(file: Path) -> None:
    command = [sys.executable, "-c", MANY, str(file)]
    people = [subprocess.Popen([*command, name]) for name in "ab"]
    assert [person.wait(timeout=100) for person in people] == [0, 0]
    found = [(row["text"][0], row["number"]) for row in rows(file)]  # type: ignore[index]
    for name in "ab":
        own = [number for person, number in found if person == name]
        assert own == [number for number in range(60) if number % 3]


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder: create it"):
        writer_of(tmp_path / "none" / "saved.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(InputError, match=r"folder.jsonl cannot be written: Is a directory\."):
        writer_of(tmp_path / "folder.jsonl")
