"""Removal of lines or paragraphs shared by many documents: menus, notices, footers.

It works in one pass: a line is kept in the first few documents that contain it, and removed from
later ones.

Source: Wenzek et al. 2020 ("CCNet: Extracting High Quality Monolingual Datasets from Web Crawl
Data"), section 3.1, which keeps a line's first occurrence; normalised as there: case and
punctuation are ignored, and all digits are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textmill.config import CleanConfig, CorpusConfig, RepeatedLinesConfig
from textmill.corpus.cleaning.dedup.runs import add_run
from textmill.corpus.cleaning.document import Edit, Prepared, Rejection, Verdict
from textmill.corpus.cleaning.filters.contract import SequenceFilter
from textmill.corpus.shingles import (
    Hashes,
    hash_words,
    mix,
    places_within,
    read_characters,
    slices,
)

_SEPARATORS = {"line": "\n", "paragraph": "\n\n"}
_DIGITS = str.maketrans("123456789", "000000000")
_BATCH_CHARS = 1 << 17  # of parts hashed at once, so that their arrays fit into the CPU cache
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NO_HASH = np.uint64(0)  # of a part that is too short to be compared
_MAX_EXAMPLES = 1000  # distinct removed lines written to `rejected/`
_EXAMPLE = Rejection("repeated_line", "an example")
_RECENT = 1 << 16  # hashes in the dictionary before they are moved to a sorted array


class RepeatedLines(SequenceFilter):
    """Removes lines shared by many documents, and rejects documents that become too short."""

    name = "repeated_lines"
    description = "lines of many documents"
    changes = ("dropped_repeated_lines",)

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether repeated lines are removed."""
        return config.repeated_lines.enabled

    @contextmanager
    def judging(self, config: CleanConfig, folder: Path) -> Iterator[Callable[[Prepared], Verdict]]:
        """Yield the function that removes lines and gives each distinct one once as an example."""
        lines = LineCounts(config.repeated_lines)
        shown: set[int] = set()

        def judge(document: Prepared) -> Edit | None:
            assert document.parts is not None
            text, removed = lines.remove(document.text, document.parts)
            # Lines of near duplicates count too: they may be the reason why documents are similar.
            lines.add(document.parts)
            if not removed:
                return None
            examples: list[tuple[str, Rejection]] = []
            for key, line in removed:
                if len(shown) < _MAX_EXAMPLES and key not in shown:
                    shown.add(key)
                    examples.append((line, _EXAMPLE))
            rejection = None
            if len(text) < config.min_chars:
                left = f"{len(text)} characters are left"
                rejection = self.reject(f"{len(removed)} lines removed, {left}")
            changes = {"dropped_repeated_lines": len(removed)}
            return Edit(text, changes, tuple(examples), rejection)

        yield judge


def hash_parts(texts: Sequence[str], config: RepeatedLinesConfig) -> list[Hashes]:
    """Return (parts,) hashes of the lines or paragraphs of each text; 0 for short ones."""
    parts = [split(text, config) for text in texts]
    every = [part.translate(_DIGITS) for found in parts for part in found]
    batches = [
        _hashes_of(every[batch], config.min_words)
        for batch in slices(map(len, every), _BATCH_CHARS)
    ]
    if not batches:
        return []
    return np.split(np.concatenate(batches), np.cumsum([len(found) for found in parts])[:-1])


def split(text: str, config: RepeatedLinesConfig) -> list[str]:
    """Return the lines or paragraphs of a text."""
    return text.split(_SEPARATORS[config.unit])


def join(parts: Sequence[str], config: RepeatedLinesConfig) -> str:
    """Join lines or paragraphs, without leading, trailing or consecutive blank lines."""
    text = _SEPARATORS[config.unit].join(parts)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip("\n")


def _hashes_of(parts: Sequence[str], min_words: int) -> Hashes:
    words = hash_words(read_characters(parts))
    n_words = np.bincount(words.documents, minlength=len(parts))
    ends = np.cumsum(n_words)
    terms = mix(words.hashes + places_within(n_words).astype(np.uint64) * _GOLDEN)
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)))
    hashes = np.maximum(mix(sums[ends] - sums[ends - n_words]), np.uint64(1))
    return np.where(n_words >= min_words, hashes, _NO_HASH)


class LineCounts:
    """The number of documents so far that contain each line or paragraph.

    Takes 9 bytes of memory per distinct line or paragraph.
    """

    def __init__(self, config: RepeatedLinesConfig) -> None:
        self._config = config
        self._limit = config.max_documents
        self._recent: dict[int, int] = {}
        self._runs: list[_Run] = []

    def remove(self, text: str, hashes: Hashes) -> tuple[str, list[tuple[int, str]]]:
        """Remove the parts that have reached the maximum number of documents.

        Args:
            text: final text of a document.
            hashes: (parts,) hashes of its lines or paragraphs.

        Returns:
            The remaining text, and the hash and text of each removed part.
        """
        repeated = self.find(hashes)
        if not repeated.any():
            return text, []
        parts = split(text, self._config)
        removed = [(int(hashes[index]), parts[index]) for index in np.flatnonzero(repeated)]
        kept = [part for part, is_repeated in zip(parts, repeated, strict=True) if not is_repeated]
        return join(kept, self._config), removed

    def find(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Return (parts,) whether each part has reached the maximum number of documents."""
        counts = np.fromiter(
            (self._recent.get(h, 0) for h in hashes.tolist()), np.int64, len(hashes)
        )
        for run in self._runs:
            counts += run.count(hashes)
        is_repeated: NDArray[np.bool_] = (counts >= self._limit) & (hashes != _NO_HASH)
        return is_repeated

    def add(self, hashes: Hashes) -> None:
        """Count the distinct parts of a document."""
        new = np.unique(hashes[hashes != _NO_HASH])
        for run in self._runs:
            new = new[~run.increase(new, self._limit)]
        for part in new.tolist():
            self._recent[part] = min(self._recent.get(part, 0) + 1, self._limit)
        if len(self._recent) >= _RECENT:
            self._settle()

    def _settle(self) -> None:
        hashes = np.fromiter(self._recent, np.uint64, len(self._recent))
        counts = np.fromiter(self._recent.values(), np.uint8, len(self._recent))
        self._recent.clear()
        add_run(self._runs, _Run.sorted(hashes, counts), _Run.merged)


@dataclass
class _Run:
    """A sorted run of hashes with their counts; runs are disjoint."""

    hashes: Hashes
    """(hashes,) sorted."""
    counts: NDArray[np.uint8]
    """(hashes,)"""

    @classmethod
    def sorted(cls, hashes: Hashes, counts: NDArray[np.uint8]) -> _Run:
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], counts[order])

    def merged(self, other: _Run) -> _Run:
        hashes = np.concatenate((self.hashes, other.hashes))
        return _Run.sorted(hashes, np.concatenate((self.counts, other.counts)))

    def __len__(self) -> int:
        return len(self.hashes)

    def count(self, hashes: Hashes) -> NDArray[np.uint8]:
        positions, is_found = self._find(hashes)
        return np.where(is_found, self.counts[positions], np.uint8(0))

    def increase(self, hashes: Hashes, limit: int) -> NDArray[np.bool_]:
        """Count hashes up to the limit; return (hashes,) whether each is in this run."""
        positions, is_found = self._find(hashes)
        found = positions[is_found]
        self.counts[found] = np.minimum(self.counts[found].astype(np.int64) + 1, limit)
        return is_found

    def _find(self, hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        positions = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return positions, self.hashes[positions] == hashes
