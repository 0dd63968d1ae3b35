"""Filtering by language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textmill.config import CleanConfig, CorpusConfig
from textmill.corpus.cleaning.document import Document, Verdict
from textmill.corpus.cleaning.filters.contract import Filter
from textmill.errors import listed


@dataclass(frozen=True)
class OtherLanguage(Filter):
    """Rejects documents in languages other than those of the configuration."""

    name = "language"
    description = "other languages"
    languages: tuple[str, ...] = ()
    """BCP 47 tags; "de" includes "de-AT"."""

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether languages are configured."""
        return bool(config.languages)

    def describe(self, config: CorpusConfig) -> str:
        """Return a description of the documents that are rejected with these settings."""
        return f"languages other than {listed(config.languages)}"

    def configured(self, config: CleanConfig) -> OtherLanguage:
        """Return the filter with the languages of the configuration."""
        return OtherLanguage(config.languages)

    def judge(self, documents: Sequence[Document]) -> Iterator[Verdict]:
        """Yield a rejection with the language of each document in another language."""
        for document in documents:
            tags = (document.language, document.language.partition("-")[0])
            is_wanted = any(tag in self.languages for tag in tags)
            yield None if is_wanted else self.reject(document.language)
