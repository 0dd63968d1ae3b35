"""Specifies the simple classifiers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from textmill.evaluation import regression
from textmill.tasks.classification import baselines
from textmill.tasks.classification.baselines import fit, majority
from textmill.tasks.classification.examples import Example, Spec

TEXTS = ["lovely meal", "a lovely room", "superb and lovely", "awful meal", "an awful room"]
LABELS = ["good", "good", "good", "bad", "bad"]


def classify(texts: list[str], labels: list[str], test: list[str]) -> tuple[list[str], str]:
    spec = Spec(tuple(sorted(set(labels))))
    model = fit(spec, [Example(*pair, "") for pair in zip(texts, labels, strict=True)])
    return [
        spec.labels[int(row.argmax())] for row in model.score([(text,) for text in test])
    ], model.note


@pytest.mark.parametrize(
    ("labels", "winner"),
    [(["b", "a", "b"], "b"), (["b", "a"], "a"), (["c", "b", "c", "b", "a"], "b"), (["z"], "z")],
)
def test_the_majority_is_the_commonest_label_and_of_equal_ones_the_first_by_name(
    labels: list[str], winner: str
) -> None:
    assert majority(labels) == winner


def test_ngrams_beat_the_majority_on_separable_texts() -> None:
    test, expected = ["lovely staff", "awful staff", "awful window"], ["good", "bad", "bad"]
    assert classify(TEXTS, LABELS, test) == (expected, "")
    assert [majority(LABELS)] * 3 != expected


def test_the_regression_is_deterministic() -> None:
    answers = [classify(TEXTS, LABELS, ["meal room"])[0] for _ in range(2)]
    assert answers[0] == answers[1]
    assert type(answers[0][0]) is str


def test_the_regression_reads_scripts_without_blanks_and_single_characters() -> None:
    texts = ["这部电影很好", "我很喜欢好书", "这部电影很坏", "我讨厌坏书"] * 3
    labels = ["good", "good", "bad", "bad"] * 3
    assert classify(texts, labels, ["书好", "书坏"])[0] == ["good", "bad"]
    assert classify(["a", "b"] * 3, ["x", "y"] * 3, ["b"])[0] == ["y"]


def test_the_commonest_features_are_kept_where_memory_allows_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(regression, "MAX_COEFFICIENTS", 3 * 60)
    texts = ["good day", "bad day", "plain day"] * 5 + ["once only"]
    labels = ["good", "bad", "none"] * 5 + ["none"]
    answers, note = classify(texts, labels, ["good", "bad", "plain"])
    assert answers == ["good", "bad", "none"]
    assert note.startswith("on the 60 most frequent of ")


def test_ngrams_of_one_text_are_left_out_where_there_are_many_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(baselines, "MIN_TEXTS_WITHOUT_RARE", 6)
    spec = Spec(("bad", "good"))
    train = [Example(*pair, "") for pair in zip(TEXTS, LABELS, strict=True)]
    assert "superb" in fit(spec, train).ngrams[0]
    assert "superb" not in fit(spec, [*train, train[0]]).ngrams[0]


MANY_CLASSES = """
import random, resource
from textmill.tasks.classification.baselines import fit
from textmill.tasks.classification.examples import Example, Spec
random.seed(0)
words = [f"w{n}" for n in range(1500)]
labels = [f"c{n % 1500}" for n in range(4500)]
texts = [" ".join([label, *random.choices(words, k=3)]) for label in labels]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
spec = Spec(tuple(sorted(set(labels))))
model = fit(spec, [Example(*pair, "") for pair in zip(texts, labels)])
answers = [spec.labels[row.argmax()] for row in model.score([(text,) for text in texts[:300]])]
assert sum(a == l for a, l in zip(answers, labels)) > 290
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_1500_classes_take_less_than_a_gibibyte() -> None:
    """In a process of its own: the most memory of one cannot be taken back."""
    done = subprocess.run(
        [sys.executable, "-c", MANY_CLASSES], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 1024
