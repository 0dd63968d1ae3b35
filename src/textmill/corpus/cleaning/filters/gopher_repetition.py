"""Gopher's repetition rules: repeated lines, paragraphs and word n-grams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textmill.config import CleanConfig, CorpusConfig, GopherRepetitionConfig
from textmill.corpus.cleaning.document import Document, Verdict
from textmill.corpus.cleaning.filters.contract import Filter
from textmill.corpus.cleaning.filters.measures import Measures, measures_of
from textmill.corpus.cleaning.filters.rules import above, count_duplicates


@dataclass(frozen=True)
class GopherRepetition(Filter):
    """Rejects documents by Gopher's repetition rules."""

    name = "gopher_repetition"
    description = "repetition by Gopher's rules"
    settings: GopherRepetitionConfig = GopherRepetitionConfig()

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether the quality filters and this one are enabled."""
        return config.quality.enabled and config.quality.gopher_repetition.enabled

    def configured(self, config: CleanConfig) -> GopherRepetition:
        """Return the filter with the thresholds of the configuration."""
        return GopherRepetition(config.quality.gopher_repetition)

    def judge(self, documents: Sequence[Document]) -> Iterator[Verdict]:
        """Yield the rejection of each document, or None."""
        settings = self.settings
        every = measures_of(documents, settings.top_ngrams, settings.duplicate_ngrams)
        for document, measures in zip(documents, every, strict=True):
            found = gopher_repetition(document.text, measures, settings)
            yield None if found is None else self.reject(found)


def gopher_repetition(text: str, measures: Measures, config: GopherRepetitionConfig) -> str | None:
    """Return the reason why Gopher's repetition rules reject a text; None if they do not.

    Source: Rae et al. 2021 ("Scaling Language Models: Methods, Analysis & Insights from Training
    Gopher"), appendix A1.1, "Repetition removal" and table A1.
    """
    paragraphs = [part.strip("\n") for part in text.split("\n\n") if part.strip("\n")]
    lines = [line for line in text.split("\n") if line]
    reason = _repeated("paragraph", paragraphs, text, config)
    reason = reason or _repeated("line", lines, text, config)
    if reason is not None:
        return reason
    for n, limit in config.top_ngrams.items():
        if reason := above(f"top_{n}_gram_chars", measures.top_ngrams[n], limit):
            return reason
    for n, limit in config.duplicate_ngrams.items():
        if reason := above(f"duplicate_{n}_gram_chars", measures.duplicate_ngrams[n], limit):
            return reason
    return None


def _repeated(name: str, parts: list[str], text: str, config: GopherRepetitionConfig) -> str | None:
    duplicates, chars = count_duplicates(parts)
    max_share, max_char_share = {
        "paragraph": (config.max_duplicate_paragraphs, config.max_duplicate_paragraph_chars),
        "line": (config.max_duplicate_lines, config.max_duplicate_line_chars),
    }[name]
    return above(f"duplicate_{name}s", duplicates / max(1, len(parts)), max_share) or above(
        f"duplicate_{name}_chars", chars / max(1, len(text)), max_char_share
    )
