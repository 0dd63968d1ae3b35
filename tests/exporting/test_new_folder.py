"""Specifies that an exported folder appears whole or not at all."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from textmill.errors import InputError, RunError
from textmill.exporting.new_folder import RECORD, new_folder, write_record
from textmill.files import digest_file

KILLED = """
import os, signal, sys
from pathlib import Path
from textmill.exporting.new_folder import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    (folder / "code").mkdir()
    (folder / "code" / "a").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_appears_with_its_files_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model"
    with new_folder(target) as folder:
        (folder / "weights").write_text("w")
        assert not target.exists()
    assert [file.name for file in target.iterdir()] == ["weights"]
    assert [*target.parent.iterdir()] == [target]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "model") as folder:
            (folder / "half").write_text("x")
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        fail()
    assert not [*tmp_path.iterdir()]


def test_a_killed_export_leaves_no_model_and_the_next_one_removes_the_rest(tmp_path: Path) -> None:
    target = tmp_path / "model"
    done = subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    with new_folder(target) as folder:
        assert not [*folder.iterdir()]
    assert [*tmp_path.iterdir()] == [target]


def test_an_empty_folder_is_filled_and_another_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    with new_folder(target) as folder:
        (folder / "weights").write_text("w")
    for place in (target, target / "weights"):
        with pytest.raises(InputError, match=r"exists: remove it, or set another folder by --out"):
            next(new_folder(place).gen)
    assert (target / "weights").read_text() == "w"


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_to_a_new_or_empty_folder_is_followed(tmp_path: Path, exists: bool) -> None:
    place, link = tmp_path / "place", tmp_path / "model"
    if exists:
        place.mkdir()
    link.symlink_to(place)
    with new_folder(link) as folder:
        (folder / "weights").write_text("w")
    assert link.is_symlink()
    assert (place / "weights").read_text() == "w"
    assert {*tmp_path.iterdir()} == {place, link}


def test_links_in_a_circle_are_named(tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(tmp_path / "model")
    with pytest.raises(InputError, match="model cannot be written.*set another folder by --out"):
        next(new_folder(tmp_path / "model").gen)


def test_two_exports_do_not_write_the_same_folder(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with new_folder(target) as folder:
        (folder / "weights").write_text("w")
        with pytest.raises(InputError, match="model is being written by another export: wait"):
            next(new_folder(target).gen)
        assert (folder / "weights").read_text() == "w"
    assert [file.name for file in target.iterdir()] == ["weights"]


def test_a_folder_that_is_filled_meanwhile_is_kept_and_named(tmp_path: Path) -> None:
    def fill() -> None:
        with new_folder(tmp_path / "model") as folder:
            (folder / "weights").write_text("w")
            (tmp_path / "model").mkdir()
            (tmp_path / "model" / "own").write_text("mine")

    with pytest.raises(InputError, match=r"model cannot be written \(Directory not empty\)"):
        fill()
    assert [file.name for file in (tmp_path / "model").iterdir()] == ["own"]
    assert [*tmp_path.iterdir()] == [tmp_path / "model"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="model cannot be written.*set another folder by --out"):
        next(new_folder(file / "model").gen)


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with new_folder(tmp_path / "model") as folder:
            (folder / "half").write_text("x")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match="The disk of .*model is full, nothing was written"):
        fill()
    assert not [*tmp_path.iterdir()]


def test_the_record_has_origin_versions_and_digests_of_all_other_files(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("w")
    write_record(tmp_path, {"run_id": "3f9a"}, ("torch",))
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["run_id"] == "3f9a"
    assert {*record["packages"]} == {"textmill", "torch"}
    assert record["files"] == {"weights": digest_file(tmp_path / "weights")}
