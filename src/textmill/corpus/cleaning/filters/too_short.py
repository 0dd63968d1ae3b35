"""Filtering by minimum length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textmill.config import CleanConfig, CorpusConfig
from textmill.corpus.cleaning.document import Document, Verdict
from textmill.corpus.cleaning.filters.contract import Filter


@dataclass(frozen=True)
class TooShort(Filter):
    """Rejects documents with fewer than `corpus.min_chars` characters."""

    name = "too_short"
    description = "short documents"
    min_chars: int = 1

    def describe(self, config: CorpusConfig) -> str:
        """Return a description of the documents that are rejected with these settings."""
        return f"documents below {config.min_chars} characters"

    def configured(self, config: CleanConfig) -> TooShort:
        """Return the filter with the threshold of the configuration."""
        return TooShort(config.min_chars)

    def judge(self, documents: Sequence[Document]) -> Iterator[Verdict]:
        """Yield a rejection with the length of each document that is too short."""
        for document in documents:
            n_chars = len(document.text)
            yield self.reject(f"{n_chars} characters") if n_chars < self.min_chars else None
