"""The metrics of a translation task: corpus-level BLEU and chrF, from 0 to 100.

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
"""What the parent run carries."""


def score(config: TranslationConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the metrics of rows that hold a translation and its reference."""
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
    """BLEU and chrF as sacrebleu computes them, with one reference for each text."""
    return {
        name: float(metric.corpus_score(predictions, [references]).score)
        for name, metric in _sacrebleu(target_language).items()
    }


def signatures(config: TranslationConfig) -> dict[str, str]:
    """Return how each metric was computed: sacrebleu's own signatures."""
    metrics = _sacrebleu(config.target_language)
    for metric in metrics.values():
        metric.corpus_score([""], [[""]])  # the number of references is part of the signature
    return {name: str(metric.get_signature()) for name, metric in metrics.items()}


def _sacrebleu(target_language: str) -> dict[str, BLEU | CHRF]:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return {"bleu": BLEU(tokenize=bleu_tokenizer(target_language)), "chrf": CHRF()}


def bleu_tokenizer(target_language: str) -> str:
    """Return the name of sacrebleu's tokenizer for a language given by its BCP 47 tag.

    Japanese needs MeCab; where it is not installed, every character counts as a word, because 13a
    would take a sentence without spaces for one.
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
        import MeCab  # noqa: F401  # not searched for: what is imported is part of a step's key
    except ImportError:
        return False
    return True
