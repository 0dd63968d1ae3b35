"""Gopher's quality rules: length, words, symbols, bullet points, stop words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from textmill.config import CleanConfig, CorpusConfig, GopherQualityConfig
from textmill.corpus.cleaning.document import Document, Verdict
from textmill.corpus.cleaning.filters.contract import Filter
from textmill.corpus.cleaning.filters.measures import Measures, measures_of
from textmill.corpus.cleaning.filters.rules import ELLIPSES, above, below, share
from textmill.corpus.shingles import Hashes, hash_words, read_characters

_BULLETS = ("•", "-")


@dataclass(frozen=True)
class GopherQuality(Filter):
    """Rejects documents by Gopher's quality rules."""

    name = "gopher_quality"
    description = "poor quality by Gopher's rules"
    settings: GopherQualityConfig = GopherQualityConfig()

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether the quality filters and this one are enabled."""
        return config.quality.enabled and config.quality.gopher_quality.enabled

    def configured(self, config: CleanConfig) -> GopherQuality:
        """Return the filter with the thresholds of the configuration."""
        return GopherQuality(config.quality.gopher_quality)

    def judge(self, documents: Sequence[Document]) -> Iterator[Verdict]:
        """Yield the rejection of each document, or None."""
        for document, measures in zip(documents, measures_of(documents), strict=True):
            found = gopher_quality(document.text, measures, document.language, self.settings)
            yield None if found is None else self.reject(found)


def gopher_quality(
    text: str, measures: Measures, language: str, config: GopherQualityConfig
) -> str | None:
    """Return the reason why Gopher's quality rules reject a text; None if they do not.

    Stop words are required only in languages with a list of them; the length of words is ignored if
    words are single characters.

    Source: Rae et al. 2021 ("Scaling Language Models: Methods, Analysis & Insights from Training
    Gopher"), appendix A1.1, "Quality filtering".
    """
    n_words = measures.n_words
    n_tokens = max(1, n_words + measures.n_punctuation)
    lines = text.split("\n")
    ellipses = sum(text.count(mark) for mark in ELLIPSES)
    return (
        below("words", n_words, config.min_words)
        or above("words", n_words, config.max_words)
        or below("mean_word_length", measures.mean_word_length, config.min_mean_word_length)
        or above("mean_word_length", measures.mean_word_length, config.max_mean_word_length)
        or above("hashes_per_word", text.count("#") / n_tokens, config.max_symbols_per_word)
        or above("ellipses_per_word", ellipses / n_tokens, config.max_symbols_per_word)
        or above("bullet_lines", share(lines, _is_bullet), config.max_bullet_lines)
        or above("ellipsis_lines", share(lines, _is_ellipsis), config.max_ellipsis_lines)
        or below("alphabetic_words", measures.n_alphabetic / n_tokens, config.min_alphabetic_words)
        or _stop_words(measures, language, config)
    )


def _stop_words(measures: Measures, language: str, config: GopherQualityConfig) -> str | None:
    words = config.stop_words.get(language.partition("-")[0].lower())
    if not words:
        return None
    # For so few words, this takes a tenth of the time of np.isin.
    found = int((_hashes_of(words)[:, None] == measures.words).any(axis=1).sum())
    return below("stop_words", found, config.min_stop_words)


@cache
def _hashes_of(words: tuple[str, ...]) -> Hashes:
    return hash_words(read_characters([" ".join(words)])).hashes


def _is_bullet(line: str) -> bool:
    return line.lstrip().startswith(_BULLETS)


def _is_ellipsis(line: str) -> bool:
    return line.rstrip().endswith(ELLIPSES)
