"""Specifies the metrics, against scikit-learn, sacrebleu and by hand."""

from __future__ import annotations

import random
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu import corpus_bleu, corpus_chrf
from seqeval.metrics import classification_report as seqeval_report
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score, classification_report, f1_score

from textmill.evaluation.iob2 import best_tags, spans, tags_of
from textmill.evaluation.metrics import (
    bleu_tokenizer,
    score_classification,
    score_tagging,
    score_translation,
    sign_classification,
    sign_tagging,
    sign_translation,
)


def test_a_small_case_by_hand() -> None:
    # a: 1 of 2 found, 1 of 1 right; b: 1 of 1 found, 1 of 2 right.
    scores = score_classification(["a", "b", "b"], ["a", "a", "b"])
    assert scores == pytest.approx(
        {
            "accuracy": 2 / 3,
            "f1_macro": 2 / 3,
            "class/a/precision": 1.0,
            "class/a/recall": 0.5,
            "class/a/f1": 2 / 3,
            "class/b/precision": 0.5,
            "class/b/recall": 1.0,
            "class/b/f1": 2 / 3,
        }
    )


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_scikit_learn(seed: int) -> None:
    rng = random.Random(seed)
    labels = ["one", "two", "three", "4"][: 2 + seed % 3]
    references, predictions = (rng.choices(labels, k=60) for _ in range(2))
    scores = score_classification(predictions, references)
    assert scores["accuracy"] == pytest.approx(accuracy_score(references, predictions))
    assert scores["f1_macro"] == pytest.approx(f1_score(references, predictions, average="macro"))
    report = classification_report(references, predictions, output_dict=True, zero_division=0)
    for label in labels:
        for short, long in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")):
            assert scores[f"class/{label}/{short}"] == pytest.approx(report[label][long])


def test_a_class_that_is_only_predicted_scores_nought_and_counts() -> None:
    scores = score_classification(["a", "z"], ["a", "a"])
    assert scores["class/z/f1"] == 0
    assert scores["f1_macro"] == pytest.approx((2 / 3 + 0) / 2)
    assert scores["accuracy"] == 0.5


def test_perfect_predictions_score_one() -> None:
    assert set(score_classification(["a", "b"], ["a", "b"]).values()) == {1.0}


def test_entities_by_hand() -> None:
    references = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"]]
    predictions = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC", "B-LOC"]]
    # Four guesses, of which (PER, 0-2) and (LOC, 0-1) are right; three entities.
    scores = score_tagging(predictions, references)
    assert scores["precision"] == pytest.approx(2 / 4)
    assert scores["recall"] == pytest.approx(2 / 3)
    assert scores["f1"] == pytest.approx(4 / 7)
    assert scores["type/PER/precision"] == pytest.approx(1 / 2)
    assert scores["type/LOC/recall"] == pytest.approx(1 / 2)


def test_a_continuation_without_a_beginning_is_no_entity() -> None:
    assert score_tagging([["O", "I-PER"]], [["O", "B-PER"]])["f1"] == 0.0


def test_types_are_compared_as_they_are_spelt() -> None:
    types = ("A", "A-", "-A", "micro avg", "$x_$", "人名", "a/b")
    references = [[f"B-{name}"] for name in types]
    predictions = [["B-A"] for _ in types]
    scores = score_tagging(predictions, references)
    assert scores["precision"] == scores["recall"] == pytest.approx(1 / 7)
    assert scores["type/A/recall"] == 1.0
    assert [scores[f"type/{name}/f1"] for name in types[1:]] == [0.0] * 6


TAG = st.sampled_from([f"{part}-{name}" for part in "BI" for name in ("PER", "LOC", "a b")] + ["O"])


@given(
    st.lists(
        st.integers(1, 6).flatmap(
            lambda n: st.tuples(*(st.lists(TAG, min_size=n, max_size=n) for _ in range(2)))
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_tags_score_as_by_seqeval_where_types_have_no_hyphens(
    pairs: list[tuple[list[str], list[str]]],
) -> None:
    predictions, references = [guess for guess, _ in pairs], [true for _, true in pairs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of seqeval, on texts without entities
        report = seqeval_report(
            references, predictions, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
        )
    scores = score_tagging(predictions, references)
    rows = {"": report.pop("micro avg"), **{f"type/{name}/": row for name, row in report.items()}}
    for prefix, row in rows.items():
        if prefix not in ("type/macro avg/", "type/weighted avg/"):
            for name, key in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")):
                assert scores[f"{prefix}{name}"] == pytest.approx(row[key])


@pytest.mark.parametrize("seed", range(5))
def test_entities_equal_the_spans_counted_directly(seed: int) -> None:
    rng = random.Random(seed)
    tags = tags_of(["PER", "LOC", "ORG"])

    def draw() -> list[str]:
        return best_tags(np.array([[rng.gauss(0, 1) for _ in tags] for _ in range(12)]), tags)

    references, predictions = [draw() for _ in range(30)], [draw() for _ in range(30)]
    pairs = list(zip(predictions, references, strict=True))
    n_right = sum(len(set(spans(guess)) & set(spans(true))) for guess, true in pairs)
    n_found = sum(len(spans(guess)) for guess, _ in pairs)
    n_true = sum(len(spans(true)) for _, true in pairs)
    scores = score_tagging(predictions, references)
    assert scores["precision"] == pytest.approx(n_right / n_found)
    assert scores["recall"] == pytest.approx(n_right / n_true)


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
    assert score_translation(predictions, references, language) == {
        "bleu": corpus_bleu(predictions, [references], tokenize=tokenize).score,
        "chrf": corpus_chrf(predictions, [references]).score,
    }
    assert f"|tok:{tokenize}|" in sign_translation(language)["bleu"]


def test_bleu_by_hand() -> None:
    # Of 6, 5, 4 and 3 n-grams 5, 4, 3 and 2 are right; the prediction is one word short of 7.
    scores = score_translation(["a b c d e x"], ["a b c d e f g"], "und")
    expected = 100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25 * np.exp(1 - 7 / 6)
    assert scores["bleu"] == pytest.approx(expected)


def test_translations_like_their_references_score_a_hundred() -> None:
    texts = ["Ein Hund läuft über das Gras."]
    assert score_translation(texts, texts, "de") == pytest.approx({"bleu": 100, "chrf": 100})


@pytest.mark.parametrize(
    ("language", "tokenizer"), [("de", "13a"), ("zh", "zh"), ("ZH-Hant-TW", "zh"), ("und", "13a")]
)
def test_the_language_decides_how_bleu_tells_words_apart(language: str, tokenizer: str) -> None:
    assert bleu_tokenizer(language) == tokenizer


@pytest.mark.parametrize(("is_there", "tokenizer"), [(True, "ja-mecab"), (False, "char")])
def test_japanese_is_taken_apart_by_mecab_where_that_is_installed(
    monkeypatch: pytest.MonkeyPatch, is_there: bool, tokenizer: str
) -> None:
    monkeypatch.setitem(sys.modules, "MeCab", sys if is_there else None)
    assert bleu_tokenizer("ja") == tokenizer


def test_every_summary_metric_has_a_signature_with_a_version() -> None:
    signed = sign_classification() | sign_tagging() | sign_translation("de")
    assert signed.keys() == {"accuracy", "f1_macro", "precision", "recall", "f1", "bleu", "chrf"}
    assert all("version:" in signature for signature in signed.values())
