"""Specifies intervals and paired tests: exact cases, scipy, sacrebleu, and calibration."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from textmill.config import KINDS, LANGUAGE_MODEL
from textmill.evaluation import significance
from textmill.evaluation.significance import Difference, ExampleStatistics, differences, intervals
from textmill.tasks.classification.metrics import class_scores
from textmill.tasks.kinds import metrics_of
from textmill.tasks.statistics import tabulate
from textmill.tasks.tagging.iob2 import tags_of
from textmill.tasks.tagging.metrics import scores_by_type
from textmill.tasks.translation.metrics import corpus_scores, signatures
from textmill.tasks.translation.settings import TranslationConfig

Rows = list[dict[str, Any]]


def signed(language: str) -> dict[str, str]:
    values = {"kind": "translation", "name": "x", "train": "a", "test": "b"}
    return signatures(TranslationConfig.model_validate(values | {"target_language": language}))


SIGNED = signed("de")
WORDS = ["the", "old", "ferry", "leaves", "a", "quiet", "harbour", "at", "noon"]


def classified(n: int, share_right: float, seed: int, labels: str = "abc") -> Rows:
    """Answers of a model that is right so often, to examples that depend on n alone."""
    examples, rng = np.random.default_rng(n), np.random.default_rng([seed, n])
    rows = []
    for i, reference in enumerate(examples.choice(list(labels), n)):
        is_right = rng.random() < share_right
        label = reference if is_right else rng.choice([x for x in labels if x != reference])
        rows.append({"text": f"text {i}", "reference": str(reference), "label": str(label)})
    return rows


def tagged(n: int, seed: int) -> Rows:
    examples, rng = np.random.default_rng(n), np.random.default_rng([seed, n])
    starts = ["O", *tags_of(["LOC", "PER"])[1::2]]
    return [
        {
            "tokens": [f"{i}"] * 6,
            "reference": examples.choice(starts, 6).tolist(),
            "tags": rng.choice(starts, 6).tolist(),
        }
        for i in range(n)
    ]


def translated(n: int, share_kept: float, seed: int) -> Rows:
    examples, rng = np.random.default_rng(n), np.random.default_rng([seed, n])
    rows = []
    for i in range(n):
        words = examples.choice(WORDS, 9).tolist()
        answer = [word for word in words if rng.random() < share_kept]
        rows.append(
            {"text": f"{i}", "reference": " ".join(words) + ".", "translation": " ".join(answer)}
        )
    return rows


def modelled(n: int, seed: int, loss: float = 2.0) -> Rows:
    examples, rng = np.random.default_rng(n), np.random.default_rng([seed, n])
    lengths = examples.integers(5, 90, n).tolist()
    return [
        {"bytes": 4 * length, "targets": length, "nll": length * loss * rng.uniform(0.8, 1.2)}
        for length in lengths
    ]


def compare(kind: str, first: Rows, second: Rows, **further: Any) -> dict[str, Difference]:
    return differences(tabulate(kind, [first, second], SIGNED), 0, 1, **further)


@pytest.mark.parametrize("kind", [*KINDS, LANGUAGE_MODEL])
def test_every_metric_of_every_kind_can_be_compared(kind: str) -> None:
    rows = {
        "classification": classified(5, 0.5, 1),
        "generation": [
            {"prompt": "p", "response": "a b", "reference": "a", "nll": 2.0, "tokens": 2}
        ]
        * 5,
        "multilabel": [{"text": "t", "labels": [{"label": "a"}], "reference": ["a", "b"]}] * 5,
        "question_answering": [
            {"question": "q", "context": "c", "answer": "a b", "reference": ["a"]}
        ]
        * 5,
        "tagging": tagged(5, 1),
        "translation": translated(5, 0.5, 1),
        LANGUAGE_MODEL: modelled(5, 1),
    }[kind]
    answers = tabulate(kind, [rows], SIGNED)
    # No sum over examples; and neither probabilities nor an order here.
    without = {"auroc", "calibration_error", "mean_absolute_error"}
    expected = {metric.name for metric in metrics_of(kind).METRICS} - without
    assert expected <= answers.metrics.keys()
    assert answers.leading in answers.metrics


def test_classification_from_all_rows_is_the_logged_score() -> None:
    # A third model predicts a label of its own: it must not enter the others' macro average.
    models = [classified(90, 0.6, 1), classified(90, 0.8, 2), classified(90, 0.5, 3)]
    models[2][0]["label"] = "z"
    answers = tabulate("classification", models)
    for i, rows in enumerate(models):
        logged = class_scores([r["label"] for r in rows], [r["reference"] for r in rows])
        values = answers.values(i)
        values = {name: value for name, value in values.items() if name in logged}
        assert values == pytest.approx({name: logged[name] for name in values})
        assert {"accuracy", "f1_macro", "class/b/f1"} <= values.keys()


def test_tagging_from_all_rows_is_the_logged_score() -> None:
    rows = tagged(60, 1)
    rows[0] |= {"reference": ["B-LOC", "I-LOC", "O", "O", "O", "O"]}
    rows[0] |= {"tags": ["B-LOC", "O", "B-PER", "I-PER", "I-PER", "O"]}
    logged = scores_by_type([r["tags"] for r in rows], [r["reference"] for r in rows])
    values = tabulate("tagging", [rows]).values(0)
    assert values == pytest.approx({name: logged[name] for name in values})
    assert {"f1", "precision", "recall", "type/PER/f1"} == values.keys() - {"type/LOC/f1"}


def test_tagging_without_any_entity_scores_nought() -> None:
    rows = [{"tokens": ["a"], "reference": ["O"], "tags": ["O"]}]
    assert tabulate("tagging", [rows]).values(0) == {"f1": 0.0, "precision": 0.0, "recall": 0.0}


@pytest.mark.parametrize("language", ["de", "zh"])
def test_translation_from_all_rows_is_the_logged_score(language: str) -> None:
    rows = translated(40, 0.8, 1)
    rows[0]["translation"] = ""
    predictions, references = [r["translation"] for r in rows], [r["reference"] for r in rows]
    values = tabulate("translation", [rows], signed(language)).values(0)
    logged = corpus_scores(predictions, references, language)
    assert values == pytest.approx(logged)


def test_a_translation_whose_tokenizer_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="tokenizer"):
        tabulate("translation", [translated(3, 0.8, 1)], {"bleu": "nrefs:1"})


def test_a_language_model_by_hand() -> None:
    rows = [{"bytes": 3, "targets": 2, "nll": 4.0}, {"bytes": 5, "targets": 2, "nll": 2.0}]
    values = tabulate(LANGUAGE_MODEL, [rows]).values(0)
    expected = {"val_loss": 1.5, "perplexity": np.exp(1.5), "bits_per_byte": 6 / 8 / np.log(2)}
    assert values == pytest.approx(expected)
    by_language = [row | {"language": tag} for row, tag in zip(rows, ("de", "en"), strict=True)]
    expected |= {"bits_per_byte/de": 4 / 3 / np.log(2), "bits_per_byte/en": 2 / 5 / np.log(2)}
    assert tabulate(LANGUAGE_MODEL, [by_language]).values(0) == pytest.approx(expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[:-1],
        lambda rows: rows[::-1],
        lambda rows: [*rows[:-1], {**rows[-1], "reference": "b" * 9}],
    ],
    ids=["fewer", "another order", "another reference"],
)
def test_other_test_examples_are_refused(change: Callable[[Rows], Rows]) -> None:
    rows = classified(20, 0.7, 1)
    with pytest.raises(ValueError, match="not the same"):
        tabulate("classification", [rows, change(rows)])


def test_no_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="no test examples"):
        tabulate("classification", [[], []])


def test_the_p_value_of_accuracy_is_that_of_the_exact_sign_test() -> None:
    # Under the null each of the 16 discordant examples is as likely to favour either: 12 to 4.
    first = [{"text": f"{i}", "reference": "a", "label": "b" if i < 12 else "a"} for i in range(40)]
    second = [
        {"text": f"{i}", "reference": "a", "label": "b" if 12 <= i < 16 else "a"} for i in range(40)
    ]
    found = compare("classification", first, second)["accuracy"]
    assert found.gain.value == pytest.approx(8 / 40)
    assert found.p_value == pytest.approx(stats.binomtest(12, 16).pvalue, abs=0.01)
    one_sided = stats.binomtest(12, 16, alternative="greater").pvalue
    assert found.p_better == pytest.approx(one_sided, abs=0.01)


def test_the_p_value_of_macro_f1_is_that_of_all_arrangements() -> None:
    first, second = classified(9, 0.4, 1), classified(9, 0.9, 2)

    def gain(swapped: int) -> float:
        pairs = [
            (b, a) if swapped >> i & 1 else (a, b)
            for i, (a, b) in enumerate(zip(first, second, strict=True))
        ]
        references = [a["reference"] for a in first]
        before, after = (
            f1_score(references, [pair[side]["label"] for pair in pairs], average="macro")
            for side in (0, 1)
        )
        return float(after - before)

    gains = np.array([gain(swapped) for swapped in range(2**9)])
    found = compare("classification", first, second)["f1_macro"]
    assert found.p_value == pytest.approx(np.mean(np.abs(gains) >= abs(gains[0]) - 1e-9), abs=0.02)
    assert found.p_better == pytest.approx(np.mean(gains >= gains[0] - 1e-9), abs=0.02)


def test_the_interval_of_accuracy_is_that_of_scipys_percentile_bootstrap() -> None:
    rows = classified(300, 0.8, 1)
    right = [row["label"] == row["reference"] for row in rows]
    expected = stats.bootstrap(
        (right,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    )
    found = intervals(tabulate("classification", [rows]), 0)["accuracy"]
    assert found.value == np.mean(right)
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.01)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.01)
    assert found.deviation == pytest.approx(expected.standard_error, rel=0.1)


def test_intervals_hold_the_true_accuracy_as_often_as_they_say() -> None:
    def holds(seed: int) -> bool:
        answers = tabulate("classification", [classified(200, 0.8, seed)])
        found = intervals(answers, 0)["accuracy"]
        return found.low <= 0.8 <= found.high

    n_held = sum(holds(seed) for seed in range(100))
    assert 88 <= n_held <= 100  # 95 expected; fewer than 88 has a chance of 0.2 %


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("classification", classified(80, 0.6, 1), classified(80, 0.7, 2)),
        ("tagging", tagged(40, 1), tagged(40, 2)),
        ("translation", translated(30, 0.7, 1), translated(30, 0.8, 2)),
        (LANGUAGE_MODEL, modelled(40, 1), modelled(40, 2)),
    ],
)
def test_exchanging_two_models_changes_signs_alone(kind: str, first: Rows, second: Rows) -> None:
    there, back = compare(kind, first, second), compare(kind, second, first)
    for name, found in there.items():
        assert found.gain.value == pytest.approx(-back[name].gain.value)
        assert found.gain.low == pytest.approx(-back[name].gain.high)
        assert found.p_value == pytest.approx(back[name].p_value)
        assert compare(kind, first, second)[name] == found  # the same seed, the same numbers


def test_a_model_does_not_differ_from_itself() -> None:
    rows = translated(20, 0.8, 1)
    for found in compare("translation", rows, rows).values():
        assert (found.p_value, found.p_better, found.gain.value) == (1, 1, 0)


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro"])
def test_p_values_are_uniform_where_models_do_not_differ(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(significance, "N_SHUFFLES", 400)
    monkeypatch.setattr(significance, "N_RESAMPLES", 2)
    found = [
        compare("classification", classified(400, 0.7, 2 * i), classified(400, 0.7, 2 * i + 1))
        for i in range(150)
    ]
    for values in ([f[metric].p_value for f in found], [f[metric].p_better for f in found]):
        assert stats.kstest(values, "uniform").pvalue > 0.001
        assert np.mean(np.array(values) <= 0.1) < 0.2


def test_a_lower_loss_is_a_gain() -> None:
    found = compare(LANGUAGE_MODEL, modelled(60, 1, loss=2.0), modelled(60, 2, loss=1.7))
    for name in ("val_loss", "perplexity", "bits_per_byte"):
        assert found[name].gain.value > 0
        assert found[name].p_better < 0.01
        assert found[name].gain.low > 0


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("classification", classified(7600, 0.89, 1, "abcd"), classified(7600, 0.9, 2, "abcd")),
        ("translation", translated(1000, 0.7, 1), translated(1000, 0.71, 2)),
    ],
)
def test_large_test_sets_take_seconds(kind: str, first: Rows, second: Rows) -> None:
    started_s = time.monotonic()
    answers = tabulate(kind, [first, second], SIGNED)
    differences(answers, 0, 1)
    intervals(answers, 0)
    assert time.monotonic() - started_s < 20  # 1 to 3 s on an idle machine


def test_examples_without_a_difference_do_not_affect_the_p_value() -> None:
    first = [{"text": f"{i}", "reference": "a", "label": "a"} for i in range(12)]
    second = [row | {"label": "b" if i < 5 else "a"} for i, row in enumerate(first)]
    found = compare("classification", first, second)["accuracy"]
    assert found.p_value == pytest.approx(2 / 2**5, abs=0.01)
    assert isinstance(tabulate("classification", [first]), ExampleStatistics)
