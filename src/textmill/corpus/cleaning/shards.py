"""Writes rows to numbered Parquet files of bounded size."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

_SHARD_BYTES = 64 << 20
_ROW_GROUP_BYTES = 4 << 20
_ROW_GROUP_ROWS = 10_000


class Shards:
    """Numbered Parquet files of bounded size in one folder; there is always at least one."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir()
        self._folder = folder
        self._schema = schema
        self._rows: list[tuple[object, ...]] = []
        self._writer: pq.ParquetWriter | None = None
        self._n_files = self._row_bytes = self._file_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and (self._rows or not self._n_files):
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def add(self, row: tuple[object, ...], size: int) -> None:
        """Add a row with a text of `size` bytes."""
        self._rows.append(row)
        self._row_bytes += size
        if self._row_bytes >= _ROW_GROUP_BYTES or len(self._rows) >= _ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            file = self._folder / f"{self._n_files:05d}.parquet"
            self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
            self._n_files += 1
        columns: list[Any] = list(zip(*self._rows, strict=True)) or [()] * len(self._schema)
        table = pa.table(dict(zip(self._schema.names, columns, strict=True)), schema=self._schema)
        self._writer.write_table(table)
        self._file_bytes += self._row_bytes
        self._rows, self._row_bytes = [], 0
        if self._file_bytes >= _SHARD_BYTES:
            self._writer.close()
            self._writer, self._file_bytes = None, 0
