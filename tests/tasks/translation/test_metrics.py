"""Specifies the metrics of a translation task, against sacrebleu and by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sacrebleu import corpus_bleu, corpus_chrf

from textmill.tasks.translation.metrics import METRICS, bleu_tokenizer, score, signatures
from textmill.tasks.translation.settings import TranslationConfig


def config_of(language: str) -> TranslationConfig:
    return TranslationConfig(
        kind="translation", name="de", train="a", test="b", target_language=language
    )


def scored(predictions: list[str], references: list[str], language: str) -> dict[str, float]:
    pairs = zip(predictions, references, strict=True)
    rows = [{"translation": guess, "reference": true} for guess, true in pairs]
    return score(config_of(language), rows)


def test_every_metric_has_a_signature_with_a_version() -> None:
    signed = signatures(config_of("de"))
    assert signed.keys() == {metric.name for metric in METRICS}
    assert all("version:" in signature for signature in signed.values())


GERMAN = [
    ("Der Hund läuft über das Gras.", "Ein Hund läuft über das Gras."),
    ("Zwei Männer, die reden", "Zwei Männer reden."),
    ("", "Sie schläft."),
]
CHINESE = [("狗在草地上跑。", "一只狗在草地上跑。"), ("两个人说话", "两个男人在说话。")]


@pytest.mark.parametrize(
    ("language", "tokenize", "pairs"),
    [("de", "13a", GERMAN), ("und", "13a", GERMAN), ("zh-Hans", "zh", CHINESE)],
)
def test_translation_scores_equal_those_of_sacrebleu(
    language: str, tokenize: str, pairs: list[tuple[str, str]]
) -> None:
    predictions, references = (list(side) for side in zip(*pairs, strict=True))
    assert scored(predictions, references, language) == {
        "bleu": corpus_bleu(predictions, [references], tokenize=tokenize).score,
        "chrf": corpus_chrf(predictions, [references]).score,
    }
    assert f"|tok:{tokenize}|" in signatures(config_of(language))["bleu"]


def test_bleu_by_hand() -> None:
    # Of 6, 5, 4 and 3 n-grams 5, 4, 3 and 2 are right; the prediction is one word short of 7.
    scores = scored(["a b c d e x"], ["a b c d e f g"], "und")
    expected = 100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25 * np.exp(1 - 7 / 6)
    assert scores["bleu"] == pytest.approx(expected)


def test_translations_like_their_references_score_a_hundred() -> None:
    texts = ["Ein Hund läuft über das Gras."]
    assert scored(texts, texts, "de") == pytest.approx({"bleu": 100, "chrf": 100})


@pytest.mark.parametrize(
    ("language", "tokenizer"), [("de", "13a"), ("zh", "zh"), ("ZH-Hant-TW", "zh"), ("und", "13a")]
)
def test_the_language_selects_the_tokenizer_of_bleu(language: str, tokenizer: str) -> None:
    assert bleu_tokenizer(language) == tokenizer


@pytest.mark.parametrize(("is_there", "tokenizer"), [(True, "ja-mecab"), (False, "char")])
def test_japanese_is_tokenized_by_mecab_if_installed(
    monkeypatch: pytest.MonkeyPatch, is_there: bool, tokenizer: str
) -> None:
    monkeypatch.setitem(sys.modules, "MeCab", sys if is_there else None)
    assert bleu_tokenizer("ja") == tokenizer
