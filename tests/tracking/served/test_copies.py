"""Specifies the digests of MLflow's copies of models."""

from __future__ import annotations

from pathlib import Path

import pytest

from textmill.errors import RunError
from textmill.files import DIGESTS, write_digests
from textmill.tracking.served.copies import METADATA, check_copy

FILES = ("MLmodel", "artifacts/output/model.safetensors", "code/textmill/gpt.py", "served.py")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder as MLflow writes it."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name} {METADATA}")
    write_digests(tmp_path)
    return tmp_path


def check(copy: Path) -> None:
    check_copy(copy / "artifacts" / "output")


def test_an_intact_copy_passes_also_with_additional_files(copy: Path) -> None:
    (copy / "registered_model_meta").write_text("MLflow adds it to downloads")
    (copy / "code" / "__pycache__").mkdir()
    check(copy)


@pytest.mark.parametrize("name", [*FILES[1:], "MLmodel", DIGESTS])
def test_each_damaged_file_is_named(copy: Path, name: str) -> None:
    content = (copy / name).read_bytes()
    for position in (0, len(content) // 2, len(content) - 1):
        flipped = bytearray(content)
        flipped[position] ^= 1
        (copy / name).write_bytes(flipped)
        with pytest.raises(
            RunError,
            match=r"is damaged, its digest differs from the recorded one|is damaged|is missing",
        ):
            check(copy)
    (copy / name).write_bytes(content)
    check(copy)


@pytest.mark.parametrize("name", [*FILES, DIGESTS])
def test_a_lost_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(RunError, match="is missing"):
        check(copy)


@pytest.mark.parametrize("content", ["", "{}", "[]", "7", '{"a":' * 100_000])
def test_digests_that_are_none_are_no_reason_to_believe(copy: Path, content: str) -> None:
    (copy / DIGESTS).write_text(content)
    with pytest.raises(RunError, match=f"{DIGESTS} is damaged"):
        check(copy)


def test_a_copy_of_an_early_version_is_reported_as_unverified(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (copy / "MLmodel").write_text("flavors: {}")
    (copy / DIGESTS).unlink()
    check(copy)
    assert f"{copy} is not verified" in caplog.text
