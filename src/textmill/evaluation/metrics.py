"""Metrics as `evaluate.Metric` classes over scikit-learn, sacrebleu and our count of entities.

`evaluate.load("accuracy")` fetches a script from the hub; classes that are built directly do not.
Entities are counted by ourselves: seqeval, which tests compare with, takes the types `A` and `A-`
for one, and knows none that is called `micro avg`.
A signature says how a metric was computed, in the form of sacrebleu's (Post 2018, section 4).
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

import datasets
import evaluate
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from textmill.evaluation.iob2 import count_all_entities, entity_scores, overall


class Classification(evaluate.Metric):  # type: ignore[misc]
    """Accuracy, macro-averaged F1, and precision, recall and F1 of every class.

    Classes are told apart by name; the macro average runs over all classes that occur among the
    references or the predictions.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Scores of single-label classification.",
            citation="",
            inputs_description="predictions and references: lists of label names.",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        labels = sorted({*predictions, *references})
        precision, recall, f1, _ = precision_recall_fscore_support(
            references, predictions, labels=labels, zero_division=0.0
        )
        scores = {
            "accuracy": float(accuracy_score(references, predictions)),
            "f1_macro": float(f1.mean()),
        }
        for i, label in enumerate(labels):
            scores[f"class/{label}/precision"] = float(precision[i])
            scores[f"class/{label}/recall"] = float(recall[i])
            scores[f"class/{label}/f1"] = float(f1[i])
        return scores


def score_classification(predictions: list[str], references: list[str]) -> dict[str, float]:
    """Return the scores of `Classification` by name."""
    # In memory: the default writes to a cache that processes running side by side would share.
    metric = Classification(keep_in_memory=True)
    scores: dict[str, Any] = metric.compute(predictions=predictions, references=references)
    return {name: float(value) for name, value in scores.items()}


def sign_classification() -> dict[str, str]:
    """Return the signatures of `Classification`."""
    version = importlib.metadata.version("scikit-learn")
    return {
        "accuracy": f"version:scikit-learn {version}",
        "f1_macro": f"average:macro|classes:all that occur|version:scikit-learn {version}",
    }


class Entities(evaluate.Metric):  # type: ignore[misc]
    """Entity-level precision, recall and F1, overall and by type, of entities that are all right.

    What is right, `count_entities` says; an I- tag that continues nothing begins no entity.
    """

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.List(datasets.Value("string"))
        return evaluate.MetricInfo(
            description="Scores of entity tagging.",
            citation="",
            inputs_description="predictions and references: lists of IOB2 tags of each text.",
            features=datasets.Features({"predictions": tags, "references": tags}),
        )

    def _compute(
        self, predictions: list[list[str]], references: list[list[str]]
    ) -> dict[str, float]:
        counts = count_all_entities(predictions, references)
        scores = entity_scores(overall(counts.values()))
        for entity_type, own in counts.items():
            for name, value in entity_scores(own).items():
                scores[f"type/{entity_type}/{name}"] = value
        return scores


def score_tagging(predictions: list[list[str]], references: list[list[str]]) -> dict[str, float]:
    """Return the scores of `Entities` by name."""
    metric = Entities(keep_in_memory=True)
    scores: dict[str, Any] = metric.compute(predictions=predictions, references=references)
    return {name: float(value) for name, value in scores.items()}


def sign_tagging() -> dict[str, str]:
    """Return the signatures of `Entities`."""
    signature = "average:micro|match:span and type|scheme:IOB2|version:1"
    return dict.fromkeys(("precision", "recall", "f1"), signature)


class Translation(evaluate.Metric):  # type: ignore[misc]
    """Corpus-level BLEU and chrF as sacrebleu computes them, from 0 to 100.

    Sources: Papineni et al. 2002 (BLEU), Popović 2015 (chrF), Post 2018 (sacrebleu).
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Scores of translation with one reference for each text.",
            citation="",
            inputs_description="predictions and references: lists of texts; target_language.",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(
        self, predictions: list[str], references: list[str], target_language: str
    ) -> dict[str, float]:
        return {
            name: float(metric.corpus_score(predictions, [references]).score)
            for name, metric in _translation_metrics(target_language).items()
        }


def score_translation(
    predictions: list[str], references: list[str], target_language: str
) -> dict[str, float]:
    """Return the scores of `Translation` by name."""
    metric = Translation(keep_in_memory=True)
    scores: dict[str, Any] = metric.compute(
        predictions=predictions, references=references, target_language=target_language
    )
    return {name: float(value) for name, value in scores.items()}


def sign_translation(target_language: str) -> dict[str, str]:
    """Return sacrebleu's own signatures."""
    metrics = _translation_metrics(target_language)
    for metric in metrics.values():
        metric.corpus_score([""], [[""]])  # the number of references is part of the signature
    return {name: str(metric.get_signature()) for name, metric in metrics.items()}


def _translation_metrics(target_language: str) -> dict[str, BLEU | CHRF]:
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
