"""The metrics of translation: corpus-level BLEU and chrF, from 0 to 100.

Sources: Papineni et al. 2002 (BLEU), Popović 2015 (chrF), Post 2018 (sacrebleu, and signatures).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textmill.evaluation.metrics import Metric, Row, compute
from textmill.tasks.translation.settings import TranslationConfig

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

METRICS = (Metric("bleu", leads=True), Metric("chrf"))
"""Metrics on the parent run."""


def score(config: TranslationConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the metrics of rows with predicted and reference translations."""
    import datasets

    values = datasets.Value("string")
    features = datasets.Features({"predictions": values, "references": values})
    texts, references = [row["translation"] for row in rows], [row["reference"] for row in rows]
    return compute(
        corpus_scores, features, texts, references, target_language=config.target_language
    )


def corpus_scores(
    predictions: list[str], references: list[str], target_language: str
) -> dict[str, float]:
    """BLEU and chrF by sacreBLEU, with one reference per text."""
    return {
        name: float(metric.corpus_score(predictions, [references]).score)
        for name, metric in _sacrebleu(target_language).items()
    }


def signatures(config: TranslationConfig) -> dict[str, str]:
    """Return sacreBLEU's signature of each metric."""
    metrics = _sacrebleu(config.target_language)
    for metric in metrics.values():
        metric.corpus_score([""], [[""]])  # the number of references is part of the signature
    return {name: str(metric.get_signature()) for name, metric in metrics.items()}


def _sacrebleu(target_language: str) -> dict[str, BLEU | CHRF]:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return {"bleu": BLEU(tokenize=bleu_tokenizer(target_language)), "chrf": CHRF()}


def bleu_tokenizer(target_language: str) -> str:
    """Return the name of sacreBLEU's tokenizer for a language, given as a BCP 47 tag.

    Japanese needs MeCab; if it is not installed, every character is a word, as 13a would not split
    sentences without spaces.
    """
    match target_language.lower().split("-")[0]:
        case "zh":
            return "zh"
        case "ja":
            return "ja-mecab" if _has_mecab() else "char"
        case _:
            return "13a"


def _has_mecab() -> bool:
    try:
        import MeCab  # noqa: F401  # imported, not only located, so that it enters the step's key
    except ImportError:
        return False
    return True
