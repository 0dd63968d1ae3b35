"""Specifies Parquet files whose row groups are large: refused before they are read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.config import LimitsConfig
from textmill.corpus.reading.records import read_records
from textmill.errors import InputError

LIMITS = LimitsConfig(max_row_group_mib=1)
SETTING = "corpus.sources[own]"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small file with a row group of 3 MB, most of which is one column."""
    rows = {"text": ["x" * 1000] * 300, "page": [{"html": "y" * 9000}] * 300}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet", use_dictionary=False, compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    return tmp_path / "a.parquet"


@pytest.mark.parametrize("columns", [{}, {"page": "html"}, {"page.html": "html"}])
def test_a_row_group_beyond_the_limit_is_an_error_that_names_file_size_and_setting(
    file: Path, columns: dict[str, str]
) -> None:
    with pytest.raises(InputError) as caught:
        list(read_records(file, columns, LIMITS, SETTING))
    assert str(caught.value) == (
        f"{file}: row group 0 has 2 MiB, and limits.max_row_group_mib is 1: rewrite the file "
        f"with smaller row groups, or raise {SETTING}.limits.max_row_group_mib."
    )


def test_what_is_not_read_counts_for_nothing(file: Path) -> None:
    assert len(list(read_records(file, {"text": "text"}, LIMITS, SETTING))) == 300


def test_smaller_row_groups_are_read(file: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(file), tmp_path / "b.parquet", row_group_size=50)
    assert len(list(read_records(tmp_path / "b.parquet", {}, LIMITS, SETTING))) == 300
