"""Specifies the raw data of steps: told apart by content, and watched for changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from textmill.errors import InputError
from textmill.files import digest_file
from textmill.steps.raw_sources import Source, data_digest


def test_the_digest_of_the_data_knows_neither_order_nor_place() -> None:
    one, two = Source("one", "a", "1", "train"), Source("two", "b", "2", "train")
    moved, changed = Source("one", "c", "1", "train"), Source("one", "a", "3", "train")
    assert data_digest([one, two]) == data_digest([two, moved])
    assert data_digest([one, two]) != data_digest([changed, two])
    assert data_digest([one, two]) != data_digest([one])


def test_a_source_that_has_changed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("one")
    digest = digest_file(file)
    source = Source("mood", str(file), digest, "train", digest_now=lambda: digest_file(file))
    source.check()
    file.write_text("other")
    with pytest.raises(InputError, match=f"^mood: {file} changed while it was read: run again"):
        source.check()
