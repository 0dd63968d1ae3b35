"""Specifies the simple multi-label classifiers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from tests.tasks.multilabel.conftest import toy_rows
from textmill.errors import InputError
from textmill.files import read_json, write_json
from textmill.tasks.baseline import baseline
from textmill.tasks.multilabel.baselines import fit, load, most_frequent
from textmill.tasks.multilabel.examples import Example, Spec, make_spec
from textmill.tasks.multilabel.settings import MultilabelConfig


def examples(n: int, seed: int) -> list[Example]:
    return [Example(row["text"], tuple(sorted(row["labels"])), "") for row in toy_rows(n, seed)]


def test_each_label_is_predicted_by_itself(things: MultilabelConfig, tmp_path: Path) -> None:
    baseline(things, {}, tmp_path)
    metrics = read_json(tmp_path / "metrics.json")
    assert metrics["f1_micro"] > 0.95
    assert metrics["class/rare/f1"] > 0.8
    assert metrics["f1_micro"] > metrics["trivial/f1_micro"] > 0.3
    assert (tmp_path / "most_frequent_labels" / "predictions.jsonl").exists()


def test_the_most_frequent_labels_have_the_highest_f1_of_any_number_of_them() -> None:
    rng = np.random.default_rng(1)
    is_label = rng.random((200, 5)) < [0.5, 0.4, 0.3, 0.05, 0.01]
    shares = tuple(is_label.mean(axis=0).tolist())
    scores = []
    for n in range(1, 6):
        everywhere = np.zeros_like(is_label)
        everywhere[:, :n] = True
        scores.append(f1_score(is_label, everywhere, average="micro"))
    chosen = most_frequent(Spec(tuple("abcde"), False, (), shares))
    assert chosen == [*"abcde"[: int(np.argmax(scores)) + 1]]
    assert 1 < len(chosen) < 5


def test_labels_of_all_or_no_training_examples_have_constant_probabilities() -> None:
    train = [Example("a lamp", ("all",), ""), Example("the chair", ("all", "seat"), "")]
    spec = Spec(("all", "none", "seat"), False, (), (1.0, 0.1, 0.5))
    (rows,) = fit(spec, train).score([("a chair",)])
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert rows[0, 1] == pytest.approx(2.5 / 3)
    assert rows[1, 1] == pytest.approx(0.5 / 3)
    assert rows[2, 1] > 0.5


def test_a_saved_baseline_gives_the_same_probabilities(
    things: MultilabelConfig, tmp_path: Path
) -> None:
    train = examples(120, seed=1)
    spec, texts = make_spec(things, train), [("a lamp and the piano",), ("window",)]
    model = fit(spec, train)
    model.save(tmp_path)
    np.testing.assert_allclose([*load(spec, tmp_path).score(texts)], [*model.score(texts)])
    assert model.n_parameters == model.classifier.coefficients.size > 0
    write_json(tmp_path / "baseline.json", {"words": ["x"], "characters": []})
    with pytest.raises(InputError, match="is damaged"):
        load(spec, tmp_path)


def test_one_label_is_enough() -> None:
    train = [Example("lamp", ("light",), ""), Example("chair", (), "")] * 3
    spec = Spec(("light",), False, (), (0.5,))
    lit, dark = fit(spec, train).score([("lamp",), ("chair",)])
    assert lit[0, 1] > 0.5 > dark[0, 1]
