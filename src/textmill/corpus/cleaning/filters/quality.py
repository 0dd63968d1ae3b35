"""Quality filters by their published names: what is wrong with a text, if anything.

Each takes a text and returns the reason why it is dropped, such as `mean_word_length 11.2 > 10`,
or None. Thresholds are those of the papers; where a paper leaves open what a word is, marks count
as words of their own in shares of words, as they do in datatrove.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from textmill.config import (
    C4Config,
    FineWebConfig,
    GopherQualityConfig,
    GopherRepetitionConfig,
    QualityConfig,
)
from textmill.corpus.cleaning.filters.measures import Measures, measure
from textmill.corpus.shingles import Hashes, hash_words, read_characters
from textmill.corpus.words import word_pattern
from textmill.safety.characters import UNSPACED

_BULLETS = ("•", "-")
_ELLIPSES = ("...", "…")
_QUOTES = "\"'”’»“)）」』"
_FULL_STOPS = ".!?。！？｡．؟۔।။។"
_FINEWEB_LINE_ENDS = tuple(_FULL_STOPS)
# A full stop after an initial or a title ends no sentence, nor do three of them.
_SENTENCE_END = re.compile(
    r"(?:(?<!\.)(?<!\b[^\W\d_I])(?<!\b[DMSJ][rst])(?<!\bMrs)(?<!\bProf)(?<!\bInc)(?<!\bvs)\.|[!?]+\.*)"
    rf"[{_QUOTES}]*(?=\s|$)|[。！？｡]+[{_QUOTES}]*"
)
_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")
_POLICIES = re.compile(
    r"terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies"
)
_UNSPACED = re.compile(rf"[{UNSPACED}]")

Verdict = tuple[str, str]
"""The filter that drops a text, and why."""


def judge(
    texts: Sequence[str], languages: Sequence[str], config: QualityConfig
) -> list[tuple[str, Verdict | None, int]]:
    """Return each text as the filters leave it, why it is dropped, and how many lines it has lost.

    The order is that of FineWeb: Gopher's repetition, Gopher's quality, C4, FineWeb's own.

    Args:
        texts: final texts.
        languages: BCP 47 tag of each.
        config: which filters, with their thresholds.
    """
    repetition = config.gopher_repetition
    measures = measure(
        texts,
        list(repetition.top_ngrams) if repetition.enabled else [],
        list(repetition.duplicate_ngrams) if repetition.enabled else [],
    )
    return [
        _judge(text, found, language, config)
        for text, found, language in zip(texts, measures, languages, strict=True)
    ]


def _judge(
    text: str, measures: Measures, language: str, config: QualityConfig
) -> tuple[str, Verdict | None, int]:
    if config.gopher_repetition.enabled:
        reason = gopher_repetition(text, measures, config.gopher_repetition)
        if reason is not None:
            return text, ("gopher_repetition", reason), 0
    if config.gopher_quality.enabled:
        reason = gopher_quality(text, measures, language, config.gopher_quality)
        if reason is not None:
            return text, ("gopher_quality", reason), 0
    lines_lost = 0
    if config.c4.enabled:
        kept, lines_lost, reason = c4(text, config.c4)
        if reason is not None:
            return text, ("c4", reason), 0
        text = kept
    if config.fineweb.enabled:
        reason = fineweb(text, config.fineweb)
        if reason is not None:
            return text, ("fineweb", reason), 0
    return text, None, lines_lost


def gopher_quality(
    text: str, measures: Measures, language: str, config: GopherQualityConfig
) -> str | None:
    """Return why Gopher's quality rules drop a text.

    In a language without a list of stop words, none are asked for; the length of words is not
    judged where words are single characters.

    Source: Rae et al. 2021 ("Scaling Language Models: Methods, Analysis & Insights from Training
    Gopher"), appendix A1.1, "Quality filtering".
    """
    n_words = measures.n_words
    n_tokens = max(1, n_words + measures.n_marks)
    lines = text.split("\n")
    ellipses = sum(text.count(mark) for mark in _ELLIPSES)
    return (
        _below("words", n_words, config.min_words)
        or _above("words", n_words, config.max_words)
        or _below("mean_word_length", measures.mean_word_length, config.min_mean_word_length)
        or _above("mean_word_length", measures.mean_word_length, config.max_mean_word_length)
        or _above("hashes_per_word", text.count("#") / n_tokens, config.max_symbols_per_word)
        or _above("ellipses_per_word", ellipses / n_tokens, config.max_symbols_per_word)
        or _above("bullet_lines", _share(lines, _is_bullet), config.max_bullet_lines)
        or _above("ellipsis_lines", _share(lines, _is_ellipsis), config.max_ellipsis_lines)
        or _below("alphabetic_words", measures.n_alphabetic / n_tokens, config.min_alphabetic_words)
        or _stop_words(measures, language, config)
    )


def _stop_words(measures: Measures, language: str, config: GopherQualityConfig) -> str | None:
    words = config.stop_words.get(language.partition("-")[0].lower())
    if not words:
        return None
    # For so few words this takes a tenth of what np.isin does.
    found = int((_hashes_of(words)[:, None] == measures.words).any(axis=1).sum())
    return _below("stop_words", found, config.min_stop_words)


@cache
def _hashes_of(words: tuple[str, ...]) -> Hashes:
    return hash_words(read_characters([" ".join(words)])).hashes


def gopher_repetition(text: str, measures: Measures, config: GopherRepetitionConfig) -> str | None:
    """Return why Gopher's repetition rules drop a text.

    Source: Rae et al. 2021, appendix A1.1, "Repetition removal" and table A1.
    """
    paragraphs = [part.strip("\n") for part in text.split("\n\n") if part.strip("\n")]
    lines = [line for line in text.split("\n") if line]
    reason = _repeated("paragraph", paragraphs, text, config)
    reason = reason or _repeated("line", lines, text, config)
    if reason is not None:
        return reason
    for n, limit in config.top_ngrams.items():
        if reason := _above(f"top_{n}_gram_chars", measures.top_ngrams[n], limit):
            return reason
    for n, limit in config.duplicate_ngrams.items():
        if reason := _above(f"duplicate_{n}_gram_chars", measures.duplicate_ngrams[n], limit):
            return reason
    return None


def _repeated(name: str, parts: list[str], text: str, config: GopherRepetitionConfig) -> str | None:
    duplicates, chars = _duplicates(parts)
    most, most_chars = {
        "paragraph": (config.max_duplicate_paragraphs, config.max_duplicate_paragraph_chars),
        "line": (config.max_duplicate_lines, config.max_duplicate_line_chars),
    }[name]
    return _above(f"duplicate_{name}s", duplicates / max(1, len(parts)), most) or _above(
        f"duplicate_{name}_chars", chars / max(1, len(text)), most_chars
    )


def c4(text: str, config: C4Config) -> tuple[str, int, str | None]:
    """Return the text without the lines that C4's rules drop, how many, and why it is dropped.

    Blank lines between those kept go too, and do not count.

    Source: Raffel et al. 2020 ("Exploring the Limits of Transfer Learning with a Unified
    Text-to-Text Transformer"), section 2.2. Citations, policies and the length of words are rules
    of its published code only.
    """
    lowered = text.lower()
    if config.drop_lorem_ipsum and "lorem ipsum" in lowered:
        return text, 0, "lorem ipsum"
    if config.drop_curly_brackets and "{" in text:
        return text, 0, "curly bracket"
    for word in config.bad_words:
        if _has_word(lowered, word.lower()):
            return text, 0, f"bad word {word!r}"
    has_unwanted = _is_unwanted(lowered, config)
    kept: list[str] = []
    n_lines = 0
    for raw in text.split("\n"):
        line = raw.strip()
        if not line:
            continue
        n_lines += 1
        if has_unwanted and _is_unwanted(line.lower(), config):
            continue
        if config.strip_citations and "[" in line:
            line = _CITATION.sub("", line)
        if _is_c4_line(line, config):
            kept.append(line)
    sentences = sum(map(_count_sentences, kept))
    if config.min_sentences and sentences < config.min_sentences:
        return text, 0, f"sentences {sentences} < {config.min_sentences}"
    return "\n".join(kept), n_lines - len(kept), None


def _has_word(lowered: str, word: str) -> bool:
    """Return whether a word stands in a text by itself; where no spaces part words, anywhere."""
    if word not in lowered:
        return False
    if _UNSPACED.search(word):
        return True
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", lowered) is not None


def _is_unwanted(lowered: str, config: C4Config) -> bool:
    return bool(
        (config.drop_javascript_lines and "javascript" in lowered)
        or (config.drop_policy_lines and _POLICIES.search(lowered))
    )


def _is_c4_line(line: str, config: C4Config) -> bool:
    if config.drop_unterminated_lines and (
        not line.endswith(config.line_ends) or line.endswith(_ELLIPSES)
    ):
        return False
    words = line.split()
    too_long = [word for word in words if len(word) > config.max_word_chars]
    if any(len(part) > config.max_word_chars for w in too_long for part in _UNSPACED.split(w)):
        return False
    return _count_words(line, words) >= config.min_line_words


def _count_words(line: str, words: list[str]) -> int:
    """Return the words between spaces; in scripts without them, the characters."""
    if line.isascii():
        return len(words)
    return sum(max(1, len(_UNSPACED.findall(word))) for word in words)


def _count_sentences(line: str) -> int:
    """Return how many sentences a line has; what follows the last full stop is one, too."""
    ends = [match.end() for match in _SENTENCE_END.finditer(line)]
    return len(ends) + (not ends or ends[-1] < len(line))


def fineweb(text: str, config: FineWebConfig) -> str | None:
    """Return why FineWeb's own rules drop a text.

    Source: Penedo et al. 2024 ("The FineWeb Datasets: Decanting the Web for the Finest Text Data
    at Scale"), section 3.3.
    """
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    ended = _share(lines, lambda line: line.endswith(_FINEWEB_LINE_ENDS))
    short = _share(lines, lambda line: len(line) <= config.short_line_chars)
    repeated = _duplicates(lines)[1] / max(1, sum(map(len, lines)))
    return (
        _below("terminated_lines", ended, config.min_terminated_lines)
        or _above("short_lines", short, config.max_short_lines)
        or _above("duplicate_line_chars", repeated, config.max_duplicate_line_chars)
        or _line_breaks(text, config)
    )


def _line_breaks(text: str, config: FineWebConfig) -> str | None:
    if config.max_line_breaks_per_word is None:
        return None
    n_words = sum(1 for _ in word_pattern().finditer(text))
    per_word = text.count("\n") / max(1, n_words)
    return _above("line_breaks_per_word", per_word, config.max_line_breaks_per_word)


def _duplicates(parts: Iterable[str]) -> tuple[int, int]:
    """Return how many parts occurred before, and the characters in them."""
    seen: set[str] = set()
    count = chars = 0
    for part in parts:
        if part in seen:
            count += 1
            chars += len(part)
        seen.add(part)
    return count, chars


def _is_bullet(line: str) -> bool:
    return line.lstrip().startswith(_BULLETS)


def _is_ellipsis(line: str) -> bool:
    return line.rstrip().endswith(_ELLIPSES)


def _share(lines: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, lines)) / max(1, len(lines))


def _above(name: str, value: float | None, limit: float | None) -> str | None:
    if value is None or limit is None or value <= limit:
        return None
    return f"{name} {_number(value)} > {limit:g}"


def _below(name: str, value: float | None, limit: float | None) -> str | None:
    if value is None or limit is None or value >= limit:
        return None
    return f"{name} {_number(value)} < {limit:g}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
