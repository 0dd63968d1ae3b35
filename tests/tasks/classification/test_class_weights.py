"""Specifies the weights of classes, of one label for a text and of several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import TypeAdapter, ValidationError
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from tests.tasks.conftest import make_config, write_rows
from tests.tasks.multilabel.conftest import make_config as make_multilabel
from textmill import model as models
from textmill.evaluation.regression import naive_bayes_regression
from textmill.files import read_json
from textmill.tasks.baseline import baseline
from textmill.tasks.classification.examples import Example, Spec, make_spec
from textmill.tasks.classification.network import Encoded, build, collate, loss, validate
from textmill.tasks.kinds import examples_of, network_of

LABELS = ["a"] * 6 + ["b"] * 3 + ["c"]
ENCODED = [Encoded([[1, 9 + i]], (i % 3,), False) for i in range(7)]


def weighted_spec(folder: Path, labels: list[str] = LABELS) -> Spec:
    examples = [Example("t", label, "") for label in labels]
    return make_spec(make_config(folder, class_weights="balanced"), examples)


def test_balanced_weights_are_those_of_scikit_learn(tmp_path: Path) -> None:
    expected = compute_class_weight("balanced", classes=np.array([*"abc"]), y=np.array(LABELS))
    assert weighted_spec(tmp_path).weights == pytest.approx(expected.tolist())
    assert make_spec(make_config(tmp_path), [Example("t", one, "") for one in LABELS]).weights == ()


def test_weights_that_do_not_fit_the_labels_are_refused() -> None:
    for weights in ((1.0,), (1.0, 0.0), (1.0, float("inf"))):
        with pytest.raises(ValidationError):
            TypeAdapter(Spec).validate_python({"labels": ("a", "b"), "weights": weights})


def test_the_loss_weights_texts_by_their_labels(backbone: Path, tmp_path: Path) -> None:
    spec = weighted_spec(tmp_path)
    torch.manual_seed(1)
    network = build(models.load(backbone), spec, 0.0, is_causal=False).eval()
    batch = collate(ENCODED)
    with torch.no_grad():
        logits = network(batch["input_ids"], batch["documents"], batch["texts"])
        labels, weights = batch["labels"], torch.tensor(spec.weights)
        nll = F.cross_entropy(logits, labels, reduction="none", label_smoothing=0.1)
        torch.testing.assert_close(loss(network, batch, 0.1), (nll * weights[labels]).mean())
        found = validate(network, [collate(ENCODED[:3]), collate(ENCODED[3:])])
    right = compute_sample_weight(dict(enumerate(spec.weights)), labels.numpy())
    hits = (logits.argmax(dim=-1) == labels).numpy()
    assert found["accuracy"] == pytest.approx(float((hits * right).sum() / right.sum()))
    assert "weights" not in network.state_dict()


def test_validation_accuracy_is_balanced_if_labels_are_as_frequent_as_in_training(
    backbone: Path, tmp_path: Path
) -> None:
    spec = weighted_spec(tmp_path)
    network = build(models.load(backbone), spec, 0.0, is_causal=False).eval()
    batch = collate(
        [Encoded([[1, 9 + i]], ("abc".index(one),), False) for i, one in enumerate(LABELS)]
    )
    with torch.no_grad():
        logits = network(batch["input_ids"], batch["documents"], batch["texts"])
        found = validate(network, [batch])["accuracy"]
    expected = balanced_accuracy_score(batch["labels"].numpy(), logits.argmax(dim=-1).numpy())
    assert found == pytest.approx(expected)


def test_the_baseline_is_the_regression_of_weighted_examples() -> None:
    rng = np.random.default_rng(0)
    features = csr_matrix((rng.random((60, 4)) < 0.5).astype(float))
    labels = (features[:, [0]].toarray().ravel() * (rng.random(60) < 0.4)).astype(int)
    weights = compute_sample_weight("balanced", labels)
    model, _ = naive_bayes_regression(features, labels.tolist(), 1.0, weights)
    present = features.toarray()
    own, other = (1 + present[labels == one].sum(axis=0) for one in (1, 0))
    ratios = np.log(own / own.sum()) - np.log(other / other.sum())
    fitted = LogisticRegression(
        C=1.0, solver="liblinear", dual=True, random_state=0, max_iter=1000, class_weight="balanced"
    ).fit(present * ratios, labels)
    np.testing.assert_allclose(
        model.probabilities(features, 2), fitted.predict_proba(present * ratios), atol=1e-3
    )


def test_a_rare_label_is_found_more_often_with_weights(tmp_path: Path) -> None:
    rows = [{"text": "the lamp was old", "label": "usual"}] * 40
    rows += [{"text": "the lamp was new", "label": "usual"}] * 6
    rows += [{"text": "the lamp was new", "label": "rare"}] * 3
    write_rows(tmp_path / "train.jsonl", rows)
    write_rows(tmp_path / "test.jsonl", rows)
    recall = {}
    for weights in ("none", "balanced"):
        out = tmp_path / weights
        out.mkdir()
        baseline(make_config(tmp_path, class_weights=weights), {}, out)
        recall[weights] = read_json(out / "metrics.json")["class/rare/recall"]
    assert recall == {"none": 0, "balanced": 1}


def test_each_of_several_labels_is_balanced_against_its_absence(
    backbone: Path, tmp_path: Path
) -> None:
    kind, trained = examples_of("multilabel"), network_of("multilabel")
    sets: list[Any] = [("a", "b"), ("a",), ("a",), ("a",)]
    train = [kind.__dict__["Example"]("t", labels, "") for labels in sets]
    spec = kind.make_spec(make_multilabel(tmp_path, class_weights="balanced"), train)
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=np.array([1, 0, 0, 0]))
    assert (spec.absence_weights[1], spec.weights[1]) == pytest.approx(tuple(expected))
    assert (spec.absence_weights[0], spec.weights[0]) == (1.0, 0.5)
    network = trained.build(models.load(backbone), spec, 0.0, is_causal=False).eval()
    batch = trained.collate([Encoded([[1, 9]], (0, 1), False), Encoded([[1, 7]], (), False)])
    weights = torch.tensor([[0.5, expected[1]], [1.0, expected[0]]], dtype=torch.float32)
    with torch.no_grad():
        logits = network(batch["input_ids"], batch["documents"], batch["texts"])
        bce = F.binary_cross_entropy_with_logits(logits, torch.tensor([[1.0, 1], [0, 0]]), weights)
        torch.testing.assert_close(trained.loss(network, batch, 0.0), bce)
