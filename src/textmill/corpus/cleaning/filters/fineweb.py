"""FineWeb's own rules: unterminated lines, short lines, repeated lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textmill.config import CleanConfig, CorpusConfig, FineWebConfig
from textmill.corpus.cleaning.document import Document, Verdict
from textmill.corpus.cleaning.filters.contract import Filter
from textmill.corpus.cleaning.filters.rules import (
    FULL_STOPS,
    above,
    below,
    count_duplicates,
    share,
)
from textmill.corpus.words import word_pattern

_LINE_ENDS = tuple(FULL_STOPS)


@dataclass(frozen=True)
class FineWeb(Filter):
    """Rejects documents by FineWeb's own rules."""

    name = "fineweb"
    description = "lists and fragments by FineWeb's rules"
    settings: FineWebConfig = FineWebConfig()

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether the quality filters and this one are enabled."""
        return config.quality.enabled and config.quality.fineweb.enabled

    def configured(self, config: CleanConfig) -> FineWeb:
        """Return the filter with the thresholds of the configuration."""
        return FineWeb(config.quality.fineweb)

    def judge(self, documents: Sequence[Document]) -> Iterator[Verdict]:
        """Yield the rejection of each document, or None."""
        for document in documents:
            found = fineweb(document.text, self.settings)
            yield None if found is None else self.reject(found)


def fineweb(text: str, config: FineWebConfig) -> str | None:
    """Return the reason why FineWeb's own rules reject a text; None if they do not.

    Source: Penedo et al. 2024 ("The FineWeb Datasets: Decanting the Web for the Finest Text Data
    at Scale"), section 3.3.
    """
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    ended = share(lines, lambda line: line.endswith(_LINE_ENDS))
    short = share(lines, lambda line: len(line) <= config.short_line_chars)
    repeated = count_duplicates(lines)[1] / max(1, sum(map(len, lines)))
    return (
        below("terminated_lines", ended, config.min_terminated_lines)
        or above("short_lines", short, config.max_short_lines)
        or above("duplicate_line_chars", repeated, config.max_duplicate_line_chars)
        or _line_breaks(text, config)
    )


def _line_breaks(text: str, config: FineWebConfig) -> str | None:
    if config.max_line_breaks_per_word is None:
        return None
    n_words = sum(1 for _ in word_pattern().finditer(text))
    per_word = text.count("\n") / max(1, n_words)
    return above("line_breaks_per_word", per_word, config.max_line_breaks_per_word)
