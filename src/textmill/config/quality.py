"""Configuration of quality filters, by their published names and with the papers' thresholds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from textmill.config.settings import Settings

Share = Annotated[float, Field(ge=0, le=1)]
NgramLength = Annotated[int, Field(ge=1, le=64)]


class GopherQualityConfig(Settings):
    """Gopher's quality rules (Rae et al. 2021, appendix A1.1); None switches one off."""

    enabled: bool = True
    min_words: int | None = Field(50, ge=1)
    max_words: int | None = Field(100_000, ge=1)
    min_mean_word_length: float | None = Field(3, ge=0)
    """In characters; not applied if most words are characters of a script without spaces."""
    max_mean_word_length: float | None = Field(10, ge=0)
    max_symbols_per_word: float | None = Field(0.1, ge=0)
    """Applies to hash signs and to ellipses."""
    max_bullet_lines: float | None = Field(0.9, ge=0, le=1)
    """Share of the lines that begin with a bullet point."""
    max_ellipsis_lines: float | None = Field(0.3, ge=0, le=1)
    """Share of the lines that end with an ellipsis."""
    min_alphabetic_words: float | None = Field(0.8, ge=0, le=1)
    """Share of the words, punctuation included, with at least one letter."""
    min_stop_words: int | None = Field(2, ge=0)
    """Minimum number of distinct stop words of the document's language."""
    stop_words: dict[str, tuple[str, ...]] = {
        "en": ("the", "be", "to", "of", "and", "that", "have", "with"),
        "de": ("der", "die", "und", "zu", "das", "ist", "nicht", "mit"),
        "zh": ("的", "是", "不", "了", "有", "之", "而", "人"),
    }
    """By language; the English ones are the paper's. Documents in other languages need none."""


class GopherRepetitionConfig(Settings):
    """Gopher's repetition rules (Rae et al. 2021, appendix A1.1, table A1).

    Maximum shares of duplicate lines or paragraphs, and of the characters in them; of the
    characters in the most frequent n-gram of words; and of those in duplicate n-grams.
    """

    enabled: bool = True
    max_duplicate_lines: float | None = Field(0.3, ge=0, le=1)
    max_duplicate_paragraphs: float | None = Field(0.3, ge=0, le=1)
    max_duplicate_line_chars: float | None = Field(0.2, ge=0, le=1)
    max_duplicate_paragraph_chars: float | None = Field(0.2, ge=0, le=1)
    top_ngrams: dict[NgramLength, Share] = {2: 0.2, 3: 0.18, 4: 0.16}
    duplicate_ngrams: dict[NgramLength, Share] = {
        5: 0.15,
        6: 0.14,
        7: 0.13,
        8: 0.12,
        9: 0.11,
        10: 0.1,
    }


class C4Config(Settings):
    """C4's rules (Raffel et al. 2020, section 2.2)."""

    enabled: bool = True
    drop_unterminated_lines: bool = True
    """Lines that do not end in one of `line_ends`, or that end in an ellipsis."""
    line_ends: tuple[str, ...] = tuple(".!?\"'”’。！？」』")
    """Full stop, exclamation, question and quotation marks, those of Chinese and Japanese too."""
    min_line_words: int = Field(5, ge=0)
    """Lines with fewer words are dropped."""
    max_word_chars: int = Field(1000, ge=1)
    """Lines with a longer word are dropped, as in the published code."""
    drop_javascript_lines: bool = True
    """Lines that mention JavaScript."""
    drop_policy_lines: bool = True
    """Lines that mention cookies, privacy policies or terms of use, as in the published code."""
    strip_citations: bool = True
    """Remove [1], [edit] and [citation needed], as in the published code."""
    min_sentences: int = Field(3, ge=0)
    """Documents with fewer sentences in the remaining lines are dropped."""
    drop_lorem_ipsum: bool = True
    """Documents that contain this phrase."""
    drop_curly_brackets: bool = True
    """Documents that contain an opening curly bracket."""
    bad_words: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Documents that contain one of these words or phrases, ignoring case, are dropped. The paper
    uses LDNOOBW's "List of Dirty, Naughty, Obscene, and Otherwise Bad Words", in 28 languages."""


class FineWebConfig(Settings):
    """FineWeb's own rules (Penedo et al. 2024, section 3.3); None switches one off."""

    enabled: bool = True
    min_terminated_lines: float | None = Field(0.12, ge=0, le=1)
    """Share of the lines that end in terminal punctuation."""
    max_short_lines: float | None = Field(0.67, ge=0, le=1)
    """Share of the lines of at most `short_line_chars`."""
    short_line_chars: int = Field(30, ge=0)
    max_duplicate_line_chars: float | None = Field(0.1, ge=0, le=1)
    """Share of the characters in duplicate lines."""
    max_line_breaks_per_word: float | None = Field(None, ge=0)
    """Not in the paper; the published code uses 0.3."""


class QualityConfig(Settings):
    """Filters that drop documents, or lines, of poor quality."""

    enabled: bool = False
    gopher_quality: GopherQualityConfig = GopherQualityConfig()
    gopher_repetition: GopherRepetitionConfig = GopherRepetitionConfig()
    c4: C4Config = C4Config()
    fineweb: FineWebConfig = FineWebConfig()
