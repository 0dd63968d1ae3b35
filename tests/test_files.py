"""Specifies files that appear whole or not at all, and digests."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.files import (
    MANIFEST,
    digest_bytes,
    digest_file,
    digest_files,
    digest_folder,
    digest_values,
    is_disk_full,
    link_or_copy,
    read_json,
    sync_folder,
    write_atomic,
    write_json,
)


def fail(*_: Any, **__: Any) -> None:
    raise OSError("No space left on device")


def test_json_is_written_with_sorted_keys_and_read_back(tmp_path: Path) -> None:
    value = {"b": [1, None, "ä"], "a": {"d": True, "c": 0.1}}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text("utf-8")
    assert text.startswith('{\n  "a": {\n    "c": 0.1,\n    "d": true\n  },\n  "b"')
    assert text.endswith("}\n")
    assert "ä" in text
    assert read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("before", [{}, {"a.json": b"old"}], ids=["new file", "old file"])
def test_a_failing_write_leaves_the_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, bytes], call: str
) -> None:
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[call], fail)
    with pytest.raises(OSError, match="No space left"):
        write_json(tmp_path / "a.json", {"new": 1})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_value_that_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", [2, {3}])
    assert read_json(tmp_path / "a.json") == [1]


def test_a_file_is_flushed_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append([f.name for f in tmp_path.iterdir()]))
    write_atomic(tmp_path / "a.bin", b"x")
    assert len(seen) == 1
    assert "a.bin" not in seen[0]
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_is_linked_or_else_copied_also_over_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    file, target = tmp_path / "weights", tmp_path / "other"
    file.write_bytes(b"abc")
    target.write_bytes(b"x")

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    link_or_copy(file, target)
    assert target.read_bytes() == b"abc"
    assert target.samefile(file) is has_links
    assert {path.name for path in tmp_path.iterdir()} == {"weights", "other"}


def test_a_folder_is_flushed_with_all_that_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.txt").touch()
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    sync_folder(tmp_path)
    paths = [tmp_path, tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/c.txt"]
    assert sorted(flushed) == sorted(path.stat().st_ino for path in paths)


def test_a_digest_is_the_sha256_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert digest_bytes(b"abc") == digest_file(tmp_path / "a") == published


def test_a_large_file_is_digested_whole(tmp_path: Path) -> None:
    content = os.urandom(1_000_003)
    (tmp_path / "a").write_bytes(content)
    assert digest_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_files_are_digested_by_name_and_content_in_their_order(tmp_path: Path) -> None:
    for folder, second in [("x", b"two"), ("y/z", b"two"), ("w", b"twO")]:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "1.txt").write_bytes(b"one")
        (tmp_path / folder / "2.txt").write_bytes(second)
        (tmp_path / folder / "3.txt").write_bytes(second)
    here = [tmp_path / "x/1.txt", tmp_path / "x/2.txt"]
    there = [tmp_path / "y/z/1.txt", tmp_path / "y/z/2.txt"]
    changed = [tmp_path / "w/1.txt", tmp_path / "w/2.txt"]
    renamed = [tmp_path / "x/1.txt", tmp_path / "x/3.txt"]
    assert digest_files(here) == digest_files(there)
    variants = [here, changed, renamed, here[::-1], here[:1], []]
    assert len({digest_files(files) for files in variants}) == len(variants)


def test_a_folder_is_digested_by_relative_path_without_its_manifest(tmp_path: Path) -> None:
    for name in ("b/two.txt", "a.txt", MANIFEST, f"b/{MANIFEST}"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    expected = {n: digest_bytes(n.encode()) for n in ("a.txt", f"b/{MANIFEST}", "b/two.txt")}
    assert digest_folder(tmp_path) == expected


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), plain, min_size=2))
def test_the_order_of_keys_does_not_change_a_digest(values: dict[str, Any]) -> None:
    assert digest_values(dict(reversed(values.items()))) == digest_values(values)


@pytest.mark.parametrize(
    "other", [{"a": [2, 1]}, {"a": [1, 2, None]}, {"a": ["1", 2]}, {"b": [1, 2]}, {"a": [1, 2.5]}]
)
def test_another_value_has_another_digest(other: dict[str, Any]) -> None:
    assert digest_values(other) != digest_values({"a": [1, 2]})


def wrapped(inner: Exception) -> Exception:
    try:
        try:
            raise inner
        except Exception as error:
            raise RuntimeError("could not save") from error
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, "whatever the language says"), True),
        (OSError(errno.EDQUOT, "quota"), True),
        (RuntimeError("No space left on device (os error 28)"), True),
        (Exception("(sqlite3.OperationalError) database or disk is full"), True),
        (OSError("4096 requested and 512 written"), True),
        (wrapped(OSError(errno.ENOSPC, "full")), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (wrapped(ValueError("a bad value")), False),
        (None, False),
    ],
)
def test_a_full_disk_is_told_whoever_reports_it(error: Exception | None, is_full: bool) -> None:
    assert is_disk_full(error) == is_full


def test_a_real_full_device_is_told() -> None:
    with pytest.raises(OSError, match="No space left") as caught, open("/dev/full", "w") as device:
        device.write("x" * 10_000)
    assert is_disk_full(caught.value)
