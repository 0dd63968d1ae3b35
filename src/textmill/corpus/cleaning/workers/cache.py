"""A cache of prepared documents on disk, so that later runs prepare only new documents.

The id of a document is a hash of the inputs of its preparation, independent of its file. A folder
is specific to settings, code and packages: the engine selects another one if these change. The
cache never changes results, and its failures only cost time: a damaged pack is removed and its
documents are prepared again, and on a full disk no more documents are cached.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from textmill.corpus.cleaning.document import Prepared
from textmill.corpus.cleaning.workers.packs import (
    ID_BYTES,
    SUFFIX,
    Group,
    PackWriter,
    read_group,
    read_ids,
)
from textmill.corpus.reading.sources import RawDocument
from textmill.files import CachePlace

_PACK_BYTES = 64 << 20
_OPEN_GROUPS = 4
_MAX_READ = 16  # documents read per document used: beyond that (shuffled data), preparing is faster
_FREE_READS = 1 << 14
_PLACE = {"source", "file", "line"}  # not inputs of the preparation
_PREPARED_FROM = [f.name for f in fields(RawDocument) if f.name not in _PLACE]

_Keys = NDArray[np.uint64]


class PreparedCache:
    """Prepared documents of earlier runs, and of this run for later ones.

    Takes 16 bytes of memory per document, plus a few groups of documents.

    Args:
        place: location of the cache; None disables it.
    """

    def __init__(self, place: CachePlace | None) -> None:
        self._place = place
        self._began_s = time.time()
        self._writer: PackWriter | None = None
        self._n_bytes = 0  # of the packs written by this run
        self._groups: list[tuple[Path, int]] = []
        self._read: OrderedDict[int, Group | None] = OrderedDict()
        self._n_read = self._n_used = 0
        self._keys: _Keys = np.empty(0, np.uint64)
        self._group_of: NDArray[np.int64] = np.empty(0, np.int64)
        if place is not None:
            self._read_ids(place.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._close_pack()

    def _read_ids(self, folder: Path) -> None:
        keys: list[_Keys] = []
        groups: list[NDArray[np.int64]] = []
        for pack in sorted(folder.glob(f"*{SUFFIX}"), key=_last_use):
            try:
                for number, ids in enumerate(read_ids(pack)):
                    keys.append(_keys(ids))
                    groups.append(np.full(len(ids), len(self._groups)))
                    self._groups.append((pack, number))
            except (ValueError, OSError, pa.ArrowException):
                with suppress(OSError):
                    pack.unlink()
        if keys:
            every = np.concatenate(keys)
            order = np.argsort(every, kind="stable")
            self._keys, self._group_of = every[order], np.concatenate(groups)[order]

    def find(self, documents: Sequence[RawDocument]) -> list[Prepared | None]:
        """Return the prepared document of each cached document, None for the others."""
        if not documents or not len(self._keys):
            return [None] * len(documents)
        ids = [_id(document) for document in documents]
        keys = _keys(ids)
        # If there are several, take the most recently used one, whose order matches later runs.
        positions = np.maximum(np.searchsorted(self._keys, keys, side="right"), 1) - 1
        are_known = (self._keys[positions] == keys).tolist()
        numbers = self._group_of[positions].tolist()
        return [
            self._get(number, known, document.text) if is_known else None
            for number, known, document, is_known in zip(
                numbers, ids, documents, are_known, strict=True
            )
        ]

    def _get(self, number: int, known: bytes, raw: str) -> Prepared | None:
        if number not in self._read:
            if self._n_read > _FREE_READS + _MAX_READ * self._n_used:
                return None
            self._read[number] = group = self._read_group(number)
            self._n_read += len(group) if group else 0
            if len(self._read) > _OPEN_GROUPS:
                self._read.popitem(last=False)
        self._read.move_to_end(number)
        group = self._read[number]
        prepared = group.get(known, raw) if group else None
        self._n_used += prepared is not None
        return prepared

    def _read_group(self, number: int) -> Group | None:
        pack, number_in_pack = self._groups[number]
        try:
            if _last_use(pack) < self._began_s:
                os.utime(pack)
            return read_group(pack, number_in_pack)
        except (ValueError, OSError, pa.ArrowException):
            return None  # removed by another run in the meantime

    def add(self, documents: Sequence[RawDocument], prepared: Sequence[Prepared]) -> None:
        """Add documents that were not cached."""
        for document, item in zip(documents, prepared, strict=True):
            if self._place is None:
                return
            try:
                if self._writer is None:
                    self._writer = PackWriter(self._place.new)
                self._writer.add(_id(document), document.text, item)
            except OSError:
                self._give_up()
        if self._writer is not None and self._writer.n_bytes >= _PACK_BYTES:
            self._close_pack()

    def _close_pack(self) -> None:
        if self._writer is None or self._place is None:
            return
        try:
            self._writer.finish()
            self._n_bytes += self._writer.n_bytes
            if self._n_bytes <= self._place.max_bytes:
                self._writer.publish()
                self._writer = None
            else:
                self._give_up()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        """Stop caching: the disk or the quota is full."""
        if self._writer is not None:
            self._writer.discard()
        self._writer = self._place = None


def _last_use(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _id(document: RawDocument) -> bytes:
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    for name in _PREPARED_FROM:
        content = str(getattr(document, name)).encode(errors="surrogatepass")
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()


def _keys(ids: Sequence[bytes]) -> _Keys:
    """Return the first half of each id as an integer."""
    return np.frombuffer(b"".join(ids), np.uint64)[::2].copy()
