"""Near-duplicate detection by MinHash LSH, with candidates verified by Jaccard similarity.

Source: Broder 1997 ("On the resemblance and containment of documents") for shingles and MinHash;
Leskovec, Rajaraman & Ullman 2014 ("Mining of Massive Datasets"), sections 3.3 and 3.4, for bands.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from textmill.config import CleanConfig, CorpusConfig, NearDuplicatesConfig
from textmill.corpus.cleaning.dedup.runs import add_run
from textmill.corpus.cleaning.document import Prepared, Rejection, Verdict
from textmill.corpus.cleaning.filters.contract import SequenceFilter
from textmill.corpus.shingles import (
    Hashes,
    hash_runs,
    hash_words,
    mix,
    read_characters,
    slices,
)
from textmill.errors import InputError

Shingles = NDArray[np.uint32]

_PIECE_CHARS = 1 << 20  # longer texts are split; shingles across two pieces are lost
_BATCH_CHARS = 1 << 17  # of texts hashed at once, so that their arrays fit into the CPU cache
_BATCH_SHINGLES = 1 << 16
_ID_BYTES = 16
_INDEX_BITS = 28
_INDEX_MASK = np.uint64((1 << _INDEX_BITS) - 1)
_RECENT = 4096  # documents in the dictionary before they are moved to a sorted array


@dataclass(frozen=True, slots=True)
class Sketch:
    """The fingerprint of a document for near-duplicate detection."""

    shingles: Shingles
    """(shingles,) sorted unique hashes of its word n-grams."""
    bands: Hashes
    """(bands,) hashes of the bands of its signature; documents that share one are candidates."""


class NearDuplicates(SequenceFilter):
    """Rejects near duplicates of earlier documents."""

    name = "near_duplicate"
    description = "near duplicates"

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether near duplicates are rejected."""
        return config.near_duplicates.enabled

    @contextmanager
    def judging(self, config: CleanConfig, folder: Path) -> Iterator[Callable[[Prepared], Verdict]]:
        """Yield the function that compares each document with those kept so far."""
        with NearDuplicateIndex(config.near_duplicates, folder) as kept:

            def judge(document: Prepared) -> Rejection | None:
                assert document.sketch is not None
                found = kept.find(document.sketch)
                if found is None:
                    kept.add(document.doc_id, document.sketch)
                    return None
                known, similarity = found
                return self.reject(
                    f"similarity {similarity:.2f}",
                    duplicate_of=known.hex(),
                    similarity=similarity,
                )

            yield judge


class Sketcher:
    """Computes sketches of texts; stateless, so that it can run in any process."""

    def __init__(self, config: NearDuplicatesConfig) -> None:
        self._config = config
        n_permutations = config.bands * config.rows
        random = np.random.default_rng(config.seed)
        # With an odd factor, h -> a * h is a permutation of 32-bit integers. The hashes are random
        # already, so no offset is needed (a * h + b).
        self._factors = random.integers(0, 1 << 32, n_permutations, np.uint32) | np.uint32(1)

    def sketch(self, texts: Sequence[str]) -> list[Sketch]:
        """Return the sketch of each text; one without words has no shingles and no bands."""
        shingles: list[Shingles] = []
        for batch in slices(map(len, texts), _BATCH_CHARS):
            text = texts[batch.start]
            if len(text) <= _PIECE_CHARS:
                shingles += self._shingles(texts[batch])
            else:  # a batch of this text only
                pieces = range(0, len(text), _PIECE_CHARS)
                found_in = [self._shingles([text[i : i + _PIECE_CHARS]])[0] for i in pieces]
                shingles.append(np.unique(np.concatenate(found_in)))
        return [Sketch(s, b) for s, b in zip(shingles, self._bands(shingles), strict=True)]

    def _shingles(self, texts: Sequence[str]) -> list[Shingles]:
        words = hash_words(read_characters(texts))
        hashes, first = hash_runs(words, self._config.ngram, keep_short=True)
        # The document is in the high bits and the hash in the low bits: one sort for all texts.
        # A hash of 0 would be the minimum of every permutation.
        keyed = np.maximum(hashes >> np.uint64(32), np.uint64(1))
        keyed |= words.documents[first].astype(np.uint64) << np.uint64(32)
        keyed.sort()
        is_new = np.ones(len(keyed), np.bool_)
        np.not_equal(keyed[1:], keyed[:-1], out=is_new[1:])
        keyed = keyed[is_new]
        edges = np.searchsorted(keyed, np.arange(len(texts) + 1, dtype=np.uint64) << np.uint64(32))
        every = keyed.astype(np.uint32)
        return [every[begin:end] for begin, end in pairwise(edges.tolist())]

    def _bands(self, shingles: Sequence[Shingles]) -> list[Hashes]:
        filled = [index for index, found in enumerate(shingles) if len(found)]
        bands: list[Hashes] = [np.empty(0, np.uint64)] * len(shingles)
        if not filled:
            return bands
        signatures = self._signatures([shingles[index] for index in filled])
        rows = signatures.reshape(len(filled), self._config.bands, self._config.rows)
        hashes = np.broadcast_to(np.arange(self._config.bands, dtype=np.uint64), rows.shape[:2])
        for row in range(self._config.rows):
            hashes = mix(hashes * np.uint64(0x9E3779B97F4A7C15) + rows[:, :, row])
        for index, found in zip(filled, hashes, strict=True):
            bands[index] = found
        return bands

    def _signatures(self, shingles: Sequence[Shingles]) -> NDArray[np.uint32]:
        """Return (documents, permutations) the minimum of each permutation of the shingles."""
        sizes = [len(found) for found in shingles]
        signatures = np.empty((len(self._factors), len(shingles)), np.uint32)
        for batch in slices(sizes, _BATCH_SHINGLES):
            every = np.concatenate(shingles[batch])
            starts = np.cumsum([0, *sizes[batch][:-1]])
            values = np.empty_like(every)
            for row, factor in enumerate(self._factors):
                np.multiply(every, factor, out=values)
                np.minimum.reduceat(values, starts, out=signatures[row, batch])
        return signatures.T


def jaccard(first: Shingles, second: Shingles) -> float:
    """Return the Jaccard similarity of two sets of shingles, given as sorted unique arrays."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / max(1, len(first) + len(second) - common)


class NearDuplicateIndex:
    """An LSH index of the documents kept so far.

    Takes 8 bytes of memory per band and 28 more per document; the shingles are in an unnamed
    temporary file, which is removed when the index is closed or its process exits.

    Args:
        config: settings such as the similarity threshold.
        folder: a folder for the temporary file.
    """

    def __init__(self, config: NearDuplicatesConfig, folder: Path) -> None:
        self._config = config
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._ids = bytearray()
        self._offsets = array("q", [0])
        self._buckets = _Buckets(config.max_candidates)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def find(self, sketch: Sketch) -> tuple[bytes, float] | None:
        """Return the id and similarity of an earlier document that this one duplicates, or None.

        Of the documents that share a band, those that share most are compared, earliest first.
        """
        shared = self._buckets.find(sketch.bands)
        candidates = sorted(shared, key=lambda index: (-shared[index], index))
        n_shingles = len(sketch.shingles)
        for index in candidates[: self._config.max_candidates]:
            start, end = self._offsets[index : index + 2]
            fewer, more = sorted((n_shingles, end - start))
            if fewer < self._config.threshold * more:
                continue  # sets of such different sizes cannot reach the threshold
            content = os.pread(self._file.fileno(), 4 * (end - start), 4 * start)
            similarity = jaccard(sketch.shingles, np.frombuffer(content, np.uint32))
            if similarity >= self._config.threshold:
                return bytes(self._ids[_ID_BYTES * index : _ID_BYTES * (index + 1)]), similarity
        return None

    def add(self, doc_id: bytes, sketch: Sketch) -> None:
        """Add a document to the index.

        Args:
            doc_id: 16 bytes.
            sketch: the sketch of its text.

        Raises:
            InputError: there are more documents than the index supports.
        """
        index = len(self._offsets) - 1
        if index > int(_INDEX_MASK):
            raise InputError(
                f"corpus.near_duplicates supports at most {index:,} documents: set "
                "corpus.near_duplicates.enabled=false, or split the corpus."
            )
        self._file.write(sketch.shingles.tobytes())
        self._ids += doc_id
        self._offsets.append(self._offsets[-1] + len(sketch.shingles))
        self._buckets.add(index, sketch.bands)


class _Buckets:
    """The documents of each band.

    Recent documents are in a dictionary. Older ones are in sorted arrays of integers, with a band's
    hash in the high bits and a document's index in the low bits. Truncated hashes may collide, but
    candidates are verified.
    """

    def __init__(self, max_found: int) -> None:
        self._max_found = max_found
        self._recent: defaultdict[int, list[int]] = defaultdict(list)
        self._n_recent = 0
        self._runs: list[Hashes] = []

    def find(self, bands: Hashes) -> Counter[int]:
        """Return the number of these bands that each document shares, if any."""
        found: Counter[int] = Counter()
        low = bands & ~_INDEX_MASK
        for run in self._runs:
            starts = np.searchsorted(run, low)
            ends = np.searchsorted(run, low | _INDEX_MASK, side="right")
            for start, end in zip(starts, ends, strict=True):
                if start < end:
                    found.update(
                        (run[start : min(end, start + self._max_found)] & _INDEX_MASK).tolist()
                    )
        for band in low.tolist():
            found.update(self._recent.get(band, ())[: self._max_found])
        return found

    def add(self, index: int, bands: Hashes) -> None:
        """Add a document; indices must ascend."""
        for band in (bands & ~_INDEX_MASK).tolist():
            self._recent[band].append(index)
        self._n_recent += 1
        if self._n_recent == _RECENT:
            self._settle()

    def _settle(self) -> None:
        counts = [len(indices) for indices in self._recent.values()]
        bands = np.repeat(np.fromiter(self._recent, np.uint64), counts)
        indices = np.fromiter((i for found in self._recent.values() for i in found), np.uint64)
        self._recent.clear()
        self._n_recent = 0
        add_run(self._runs, np.sort(bands | indices), _merged)


def _merged(older: Hashes, newer: Hashes) -> Hashes:
    merged = np.concatenate((older, newer))
    merged.sort()
    return merged
