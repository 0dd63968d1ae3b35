"""Packs: Parquet files of prepared documents, in groups that are written and read together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from textmill.corpus.cleaning.dedup.near_duplicates import Sketch
from textmill.corpus.cleaning.document import Prepared, Rejection
from textmill.files import digest_file

SUFFIX = ".parquet"
ID_BYTES = 16
_GROUP_CHARS = 1 << 19
_GROUP_DOCUMENTS = 512
_SCHEMA = pa.schema(
    [
        ("id", pa.binary(ID_BYTES)),
        ("text", pa.large_string()),  # null if equal to the raw text
        ("about", pa.large_string()),  # the other fields, as JSON
        ("doc_id", pa.binary()),
        ("shingles", pa.large_list(pa.uint32())),  # null without a sketch
        ("bands", pa.large_list(pa.uint64())),
        ("parts", pa.large_list(pa.uint64())),  # null if repeated lines are not removed
    ]
)
_ABOUT = [f.name for f in fields(Prepared) if f.name not in ("text", "doc_id", "sketch", "parts")]


class Group:
    """A row group of documents.

    Args:
        table: rows in the schema of packs.
    """

    def __init__(self, table: pa.Table) -> None:
        columns = [column.combine_chunks() for column in table.columns]
        ids, self._texts, self._about, self._doc_ids, shingles, bands, parts = columns
        self._rows = {known: row for row, known in enumerate(ids.to_pylist())}
        self._shingles, self._bands, self._parts = map(_Lists, (shingles, bands, parts))

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, known: bytes, raw: str) -> Prepared | None:
        """Return a document by its id and its raw text; None if it is not in the group."""
        row = self._rows.get(known)
        if row is None:
            return None
        about: dict[str, Any] = json.loads(self._about[row].as_py())
        if about["rejection"] is not None:
            rejection = Rejection(*about["rejection"])
            contaminates = tuple(rejection.contaminates)  # a list in JSON
            about["rejection"] = rejection._replace(contaminates=contaminates)
        text = self._texts[row].as_py()
        shingles, bands = self._shingles[row], self._bands[row]
        return Prepared(
            text=raw if text is None else text,
            doc_id=self._doc_ids[row].as_py(),
            sketch=None if shingles is None else Sketch(shingles, bands),
            parts=self._parts[row],
            **about,
        )


class _Lists:
    """A column of lists of numbers, accessed as arrays."""

    def __init__(self, column: pa.LargeListArray) -> None:
        self._values = column.values.to_numpy()
        self._offsets = column.offsets.to_numpy()
        self._is_valid = column.is_valid().to_numpy(zero_copy_only=False)

    def __getitem__(self, row: int) -> Any:
        if not self._is_valid[row]:
            return None
        return self._values[self._offsets[row] : self._offsets[row + 1]]


def read_ids(pack: Path) -> Iterator[list[bytes]]:
    """Yield the ids of the documents of each group.

    Raises:
        ValueError: the pack is damaged.
        OSError: it cannot be read.
    """
    if digest_file(pack) != pack.name.removesuffix(SUFFIX):
        raise ValueError(f"{pack} is damaged: its digest differs from its name")
    with pq.ParquetFile(pack) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=["id"]).column(0).to_pylist()


def read_group(pack: Path, number: int) -> Group:
    """Return a group of a pack that `read_ids` has verified.

    Raises:
        ValueError, OSError: it cannot be read.
    """
    with pq.ParquetFile(pack) as file:
        return Group(file.read_row_group(number))


class PackWriter:
    """Writes one pack atomically.

    Every method raises OSError if writing fails.

    Args:
        folder: the folder of the pack, in which only one pack is written at a time.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / ".partial"
        self._writer = pq.ParquetWriter(
            self._file, _SCHEMA, compression="zstd", compression_level=1, use_dictionary=False
        )
        self._rows: list[tuple[bytes, str | None, Prepared]] = []
        self._n_chars = 0
        self.n_bytes = 0
        """Bytes written so far."""

    def add(self, known: bytes, raw: str, prepared: Prepared) -> None:
        """Add a document by its id, with its raw text."""
        text = None if prepared.text == raw else prepared.text
        as_prepared = replace(prepared, changes=dict(prepared.changes))  # the caller may modify it
        self._rows.append((known, text, as_prepared))
        self._n_chars += len(prepared.text)
        if self._n_chars >= _GROUP_CHARS or len(self._rows) >= _GROUP_DOCUMENTS:
            self._flush()

    def _flush(self) -> None:
        prepared = [item for _, _, item in self._rows]
        sketches = [item.sketch for item in prepared]
        columns = [
            pa.array([known for known, _, _ in self._rows], pa.binary(ID_BYTES)),
            pa.array([text for _, text, _ in self._rows], pa.large_string()),
            pa.array(map(_about, prepared), pa.large_string()),
            pa.array([item.doc_id for item in prepared], pa.binary()),
            _lists([s and s.shingles for s in sketches], pa.uint32()),
            _lists([s and s.bands for s in sketches], pa.uint64()),
            _lists([item.parts for item in prepared], pa.uint64()),
        ]
        self._writer.write_table(pa.table(columns, schema=_SCHEMA))
        self.n_bytes = self._file.stat().st_size
        self._rows, self._n_chars = [], 0

    def finish(self) -> None:
        """Write the remaining rows and close the file."""
        if self._rows:
            self._flush()
        self._writer.close()
        self.n_bytes = self._file.stat().st_size

    def publish(self) -> None:
        """Rename a finished pack to its digest, which makes it visible to readers."""
        self._file.replace(self._file.with_name(digest_file(self._file) + SUFFIX))

    def discard(self) -> None:
        """Remove the unfinished pack."""
        with suppress(OSError):
            self._writer.close()
        with suppress(OSError):
            self._file.unlink(missing_ok=True)


def _about(prepared: Prepared) -> str:
    return json.dumps({name: getattr(prepared, name) for name in _ABOUT})


def _lists(arrays: Sequence[Any], kind: pa.DataType) -> pa.LargeListArray:
    """Return a column of lists of numbers; None becomes null."""
    filled = [array for array in arrays if array is not None]
    lengths = [0 if array is None else len(array) for array in arrays]
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    values = np.concatenate(filled) if filled else np.empty(0, kind.to_pandas_dtype())
    mask = pa.array([array is None for array in arrays])
    return pa.LargeListArray.from_arrays(offsets, pa.array(values, kind), mask=mask)
