"""Documents in capitals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textmill.config import CleanConfig, CorpusConfig
from textmill.corpus.cleaning.document import Document, Verdict
from textmill.corpus.cleaning.filters.contract import Filter


@dataclass(frozen=True)
class Capitals(Filter):
    """Rejects documents with too large a share of capitals."""

    name = "capitals"
    description = "text in capitals"
    max_share: float = 1

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether the configuration asks for it."""
        return config.capitals.enabled

    def configured(self, config: CleanConfig) -> Capitals:
        """Return the filter with the threshold of the configuration."""
        return Capitals(config.capitals.max_share if config.capitals.enabled else 1)

    def judge(self, documents: Sequence[Document]) -> Iterator[Verdict]:
        """Yield the share of capitals of each document that has too many."""
        for document in documents:
            share = sum(map(str.isupper, document.text)) / max(1, len(document.text))
            yield self.reject(f"capitals {share:.2f}") if share > self.max_share else None
