"""The metrics of question answering: those of SQuAD (Rajpurkar et al. 2016, section 6.1).

Texts are compared without regard to case, punctuation, English articles and white space. As in the
evaluation of CMRC 2018 (Cui et al. 2019, section 4), every character of a script without spaces
counts as a word. A text without an answer is right if none is given (Rajpurkar et al. 2018).
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

from textmill.evaluation.metrics import Metric, Row
from textmill.safety.characters import UNSPACED
from textmill.tasks.question_answering.settings import QuestionAnsweringConfig

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CHARACTERS = re.compile(f"([{UNSPACED}])")


def normalized(text: str) -> list[str]:
    """Return the words of an answer as they are compared."""
    plain = "".join(c for c in text.lower() if not _is_punctuation(c))
    return _CHARACTERS.sub(r" \1 ", _ARTICLES.sub(" ", plain)).split()


@cache
def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def exact_match(answer: str, references: Sequence[str]) -> float:
    """Return 1 if an answer is equal to one of the references, else 0; no reference: no answer."""
    return float(any(normalized(answer) == normalized(one) for one in references or [""]))


def f1(answer: str, references: Sequence[str]) -> float:
    """Return the F1 of the words of an answer, with the reference that it is highest for."""
    return max(_f1(normalized(answer), normalized(one)) for one in references or [""])


def _f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    if not answer or not reference:
        return float(answer == reference)
    n_common = (Counter(answer) & Counter(reference)).total()
    return 2 * n_common / (len(answer) + len(reference))


def _f1_of(row: Row) -> float:
    return f1(row["answer"], row["reference"])


def _exact_match_of(row: Row) -> float:
    return exact_match(row["answer"], row["reference"])


METRICS = (
    Metric("f1", leads=True, of_example=_f1_of),
    Metric("exact_match", of_example=_exact_match_of),
)
"""Metrics on the parent run, means over the examples."""


def score(config: QuestionAnsweringConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the shares of examples whose answer is right that there is none, and that there is."""
    scores = {}
    for name, has_answer in (("answerable", True), ("unanswerable", False)):
        own = [row for row in rows if bool(row["reference"]) == has_answer]
        if 0 < len(own) < len(rows):
            scores[f"{name}/f1"] = sum(map(_f1_of, own)) / len(own)
    return scores


def signatures(config: QuestionAnsweringConfig) -> dict[str, str]:
    """Return the signature of each metric, in the format of sacreBLEU."""
    signature = "normalization:SQuAD 1.1|words:characters in scripts without spaces|version:1"
    return dict.fromkeys(("f1", "exact_match"), signature)
