"""The metrics of generation: overlap with the reference, its perplexity, and repetition.

Sources: Lin 2004 (ROUGE-L, here its F1), Welleck et al. 2020 (repeated 4-grams), Li et al. 2016
(distinct n-grams).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from textmill.corpus.words import combining_mark_ranges
from textmill.evaluation.metrics import Metric, Row
from textmill.safety.characters import UNSPACED
from textmill.tasks.generation.settings import ResponseConfig

MAX_LOSS = 700.0
"""Nats per token, whose exp is not yet infinite."""


def words_of(text: str) -> list[str]:
    """Return the words that are compared: letters and digits in lower case, with their marks.

    Every character of a script without spaces is a word.
    """
    return _word().findall(unicodedata.normalize("NFC", text).lower())


@cache
def _word() -> re.Pattern[str]:
    marks = "".join(f"{chr(first)}-{chr(last)}" for first, last in combining_mark_ranges())
    return re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}_])[\w{marks}])+")


def rouge_l(response: str, reference: str) -> float:
    """Return the F1 of the longest common subsequence of words."""
    found, expected = words_of(response), words_of(reference)
    if not found or not expected:
        return float(found == expected)
    return 2 * common_length(found, expected) / (len(found) + len(expected))


def common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence (Hyyrö 2004, with bits of integers)."""
    masks: dict[str, int] = {}
    for at, word in enumerate(one):
        masks[word] = masks.get(word, 0) | 1 << at
    full = (1 << len(one)) - 1
    free = full
    for word in other:
        matched = free & masks.get(word, 0)
        free = ((free + matched) | (free - matched)) & full
    return len(one) - free.bit_count()


def repetition(response: str) -> float:
    """Return the share of 4-grams of words that have occurred in the response before."""
    words = words_of(response)
    ngrams = [*zip(words, words[1:], words[2:], words[3:], strict=False)]
    return 1 - len({*ngrams}) / len(ngrams) if ngrams else 0.0


def _rouge_l_of(row: Row) -> float:
    return rouge_l(row["response"], row["reference"])


def _repetition_of(row: Row) -> float:
    return repetition(row["response"])


METRICS = (
    Metric("rouge_l", leads=True, of_example=_rouge_l_of),
    Metric("repetition", lower_is_better=True, of_example=_repetition_of),
    Metric("perplexity", lower_is_better=True),
)
"""Metrics on the parent run; but for perplexity, means over the examples."""


def score(config: ResponseConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the shares of different words, and pairs of words, in all responses.

    Also the perplexity of the references, exp of the mean loss of their tokens, if the model gives
    likelihoods: baselines do not.
    """
    texts = [words_of(row["response"]) for row in rows]
    scores = {}
    for n in (1, 2):
        ngrams = [gram for words in texts for gram in zip(*(words[k:] for k in range(n)))]  # noqa: B905
        scores[f"distinct_{n}"] = len({*ngrams}) / max(1, len(ngrams))
    n_tokens = sum(row.get("tokens", 0) for row in rows)
    if n_tokens:
        loss = sum(row["nll"] for row in rows) / n_tokens
        scores["perplexity"] = math.exp(min(loss, MAX_LOSS))
    return scores


def signatures(config: ResponseConfig) -> dict[str, str]:
    """Return the signature of each metric, in the format of sacreBLEU."""
    words = "case:lc|words:letters and digits|version:1"
    return {"rouge_l": f"score:F1|stemmer:no|{words}", "repetition": f"ngrams:4|{words}"}
