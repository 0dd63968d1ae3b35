"""Exact deduplication by the final text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from textmill.config import CleanConfig, CorpusConfig
from textmill.corpus.cleaning.dedup.seen import SeenIds
from textmill.corpus.cleaning.document import Prepared, Rejection, Verdict
from textmill.corpus.cleaning.filters.contract import SequenceFilter


class ExactDuplicates(SequenceFilter):
    """Rejects documents with the final text of an earlier one, whether or not that was kept."""

    name = "exact_duplicate"
    description = "exact duplicates"
    judges_again = True

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether exact duplicates are rejected."""
        return config.exact_duplicates.enabled

    @contextmanager
    def judging(self, config: CleanConfig, folder: Path) -> Iterator[Callable[[Prepared], Verdict]]:
        """Yield the function that compares the id of each document with earlier ids."""
        seen = SeenIds()

        def judge(document: Prepared) -> Rejection | None:
            if seen.add(document.doc_id):
                return None
            return self.reject(duplicate_of=document.doc_id.hex(), similarity=1.0)

        yield judge
