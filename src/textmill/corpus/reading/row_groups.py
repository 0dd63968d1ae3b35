"""Opening of Parquet files with bounded memory per row group.

pyarrow is imported where it is used, because tasks read JSON Lines on machines without it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from textmill.config import LimitsConfig
from textmill.errors import InputError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_BUFFER_BYTES = 1 << 20


def open_parquet(
    file: Path, columns: Collection[str], limits: LimitsConfig, setting: str
) -> ParquetFile:
    """Return an open Parquet file that is read page by page instead of whole column chunks.

    A page is decompressed at once, and may be as large as its row group.

    Args:
        file: the file.
        columns: dotted names of the columns to read; empty: all.
        limits: maximum size of a row group.
        setting: where the limits are set, for messages; empty if nowhere.

    Raises:
        InputError: a row group is too large.
        OSError, pyarrow.ArrowException: the file cannot be read.
    """
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    roots = {column.partition(".")[0] for column in columns} | set(columns)
    for number in range(parquet.metadata.num_row_groups):
        group = parquet.metadata.row_group(number)
        chunks = map(group.column, range(group.num_columns))
        size = sum(
            chunk.total_uncompressed_size
            for chunk in chunks
            if not roots or {chunk.path_in_schema, chunk.path_in_schema.partition(".")[0]} & roots
        )
        if size > limits.max_row_group_mib << 20:
            parquet.close()
            raise _too_large(file, number, size, limits, setting)
    return parquet


def _too_large(
    file: Path, number: int, size: int, limits: LimitsConfig, setting: str
) -> InputError:
    key = f", or raise {setting}.limits.max_row_group_mib" if setting else ""
    return InputError(
        f"{file}: row group {number} has {size >> 20:,} MiB, and limits.max_row_group_mib is "
        f"{limits.max_row_group_mib:,}: rewrite the file with smaller row groups{key}."
    )
