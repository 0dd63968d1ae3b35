"""Specifies the training of a task's network: the best epoch is kept, and ends the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tasks.conftest import made, points, tune, with_finetune
from textmill import model as models
from textmill.files import read_json
from textmill.model.layout import load_weights
from textmill.tasks.classification.examples import Spec
from textmill.tasks.classification.network import build
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.kinds import network_of
from textmill.tasks.tuning.best_epoch import (
    FINISHED,
    FinetuneModule,
    finish_training,
    finished_training,
)

# Lightning announces its own changes, and that two processor cores could load data.
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning:lightning"
)
TRAINED = network_of("classification")


def test_the_weights_of_the_best_validation_are_kept(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build(models.load(backbone), Spec(("a", "b")), 0.0, False)
    module = FinetuneModule(network, TRAINED, "accuracy", toy.finetune, 9, [], tmp_path / "best")  # type: ignore[arg-type]
    scores = [(0.5, 1.0), (0.75, 0.9), (0.75, 0.8), (0.75, 0.85), (0.7, 0.1)]
    for number, (accuracy, nll) in enumerate(scores):
        with torch.no_grad():
            network.head.bias.fill_(number)
        metrics = {"accuracy": accuracy, "loss": nll}
        monkeypatch.setattr(TRAINED, "validate", lambda *_, metrics=metrics: metrics)
        module.validate()
    assert load_weights(tmp_path / "best")["head.bias"].tolist() == [2, 2]
    assert module.best_score == (0.75, -0.8)


def test_training_stops_when_validation_no_longer_improves(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path
) -> None:
    """At a learning rate that changes nothing, only the first epoch is better than none."""
    constant = with_finetune(toy, patience=2, learning_rate=1e-30, weight_decay=0.0)
    out, work = made(tmp_path)
    tune(constant, backbone, out, work)
    assert read_json(out / "metrics.json")["epochs"] == 3
    assert len(points(work, "validation/accuracy")) == 3
    assert len(points(work, "cost/hours")) == 1


def test_a_resumed_training_stops_where_the_uninterrupted_one_does(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constant = with_finetune(
        toy, patience=3, learning_rate=1e-30, weight_decay=0.0, checkpoint_every_steps=1
    )
    out, work = made(tmp_path)
    validate, calls = FinetuneModule.validate, []

    def interrupted(self: FinetuneModule) -> dict[str, float]:
        calls.append(self.n_worse)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return validate(self)

    monkeypatch.setattr(FinetuneModule, "validate", interrupted)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        tune(constant, backbone, out, work)
    tune(constant, backbone, out, work)
    assert calls == [0, 0, 1, 1, 2]
    assert read_json(out / "metrics.json")["epochs"] == 4


def test_the_number_of_steps_is_limited(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path
) -> None:
    out, work = made(tmp_path)
    tune(with_finetune(toy, max_steps=10), backbone, out, work)  # 7 in an epoch
    assert read_json(out / "metrics.json")["epochs"] == pytest.approx(10 / 7)
    (rate,) = points(work, "train/learning_rate")
    assert rate < 0.2 * toy.finetune.learning_rate  # the schedule ends there


def test_only_the_same_training_is_finished(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    identity = {"task": {"seed": 1, "names": ["a", "b"]}, "backbone": "x"}
    assert finished_training(tmp_path, identity) is None
    finish_training(tmp_path, identity, best_score=0.1 + 0.2, epochs=3.0)
    assert finished_training(tmp_path, identity) == {"best_score": 0.1 + 0.2, "epochs": 3.0}
    assert finished_training(tmp_path, identity | {"backbone": "y"}) is None
    for damaged in ("[]", "{"):
        (tmp_path / FINISHED).write_text(damaged)
        assert finished_training(tmp_path, identity) is None


@pytest.mark.parametrize(
    ("settings", "dropout"),
    [
        ({"epochs": 4}, 0.0),
        ({"epochs": 5}, 0.1),
        ({"epochs": 5, "max_steps": 4}, 0.0),
        ({"epochs": 1, "dropout": 0.3}, 0.3),
    ],
)
def test_dropout_follows_from_the_planned_passes(
    settings: dict[str, Any],
    dropout: float,
    backbone: Path,
    toy: ClassificationConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """120 examples less a tenth, in batches of 16: seven steps an epoch."""
    found: dict[str, float] = {}
    build = TRAINED.build

    def observed(backbone: Any, spec: Any, dropout: float, is_causal: bool) -> torch.nn.Module:
        found.update(backbone=backbone.config.dropout, head=dropout)
        return build(backbone, spec, dropout, is_causal)

    monkeypatch.setattr(TRAINED, "build", observed)
    out, work = made(tmp_path)
    tune(with_finetune(toy, **{"dropout": None} | settings), backbone, out, work)
    assert found == {"backbone": dropout, "head": dropout}
