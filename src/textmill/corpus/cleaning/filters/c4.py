"""C4's rules: lines that are not sentences, placeholder text, code, bad words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textmill.config import C4Config, CleanConfig, CorpusConfig
from textmill.corpus.cleaning.document import Document, Edit, Verdict
from textmill.corpus.cleaning.filters.contract import Filter
from textmill.corpus.cleaning.filters.rules import ELLIPSES
from textmill.safety.characters import UNSPACED

_QUOTES = "\"'”’»“)）」』"
# A full stop after an initial or a title, or an ellipsis, does not end a sentence.
_SENTENCE_END = re.compile(
    r"(?:(?<!\.)(?<!\b[^\W\d_I])(?<!\b[DMSJ][rst])(?<!\bMrs)(?<!\bProf)(?<!\bInc)(?<!\bvs)\.|[!?]+\.*)"
    rf"[{_QUOTES}]*(?=\s|$)|[。！？｡]+[{_QUOTES}]*"
)
_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")
_POLICIES = re.compile(
    r"terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies"
)
_UNSPACED = re.compile(rf"[{UNSPACED}]")


@dataclass(frozen=True)
class C4(Filter):
    """Rejects documents by C4's rules, and removes lines."""

    name = "c4"
    description = "lines and documents by C4's rules"
    changes = ("dropped_lines",)
    settings: C4Config = C4Config()

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether the quality filters and this one are enabled."""
        return config.quality.enabled and config.quality.c4.enabled

    def configured(self, config: CleanConfig) -> C4:
        """Return the filter with the thresholds of the configuration."""
        return C4(config.quality.c4)

    def judge(self, documents: Sequence[Document]) -> Iterator[Verdict]:
        """Yield the rejection of each document, or its text without the removed lines."""
        for document in documents:
            kept, n_lines, found = c4(document.text, self.settings)
            if found is not None:
                yield self.reject(found)
            elif kept != document.text:
                yield Edit(kept, {"dropped_lines": n_lines} if n_lines else {})
            else:
                yield None


def c4(text: str, config: C4Config) -> tuple[str, int, str | None]:
    """Return the text without removed lines, their number, and the reason of a rejection or None.

    Blank lines are removed too, but not counted.

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
    """Return whether a text contains a word; in scripts without spaces, as any substring."""
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
        not line.endswith(config.line_ends) or line.endswith(ELLIPSES)
    ):
        return False
    words = line.split()
    too_long = [word for word in words if len(word) > config.max_word_chars]
    if any(len(part) > config.max_word_chars for w in too_long for part in _UNSPACED.split(w)):
        return False
    return _count_words(line, words) >= config.min_line_words


def _count_words(line: str, words: list[str]) -> int:
    """Return the number of words; in scripts without spaces, of characters."""
    if line.isascii():
        return len(words)
    return sum(max(1, len(_UNSPACED.findall(word))) for word in words)


def _count_sentences(line: str) -> int:
    """Return the number of sentences in a line, including an unterminated last one."""
    ends = [match.end() for match in _SENTENCE_END.finditer(line)]
    return len(ends) + (not ends or ends[-1] < len(line))
