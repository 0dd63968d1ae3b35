"""Specifies the arms of a learning curve: what differs between them, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tasks.conftest import with_finetune
from textmill import model as models
from textmill.config import TaskConfig
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.curve.arms import _backbones, arms_of, fit_arm
from textmill.tasks.finetune import split_examples
from textmill.tasks.kinds import examples_of
from textmill.tasks.tuning.best_epoch import train_network

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning:lightning"
)
KIND = examples_of("classification")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("classification", ("baseline", "lstm", "random", "pretrained")),
        ("tagging", ("baseline", "lstm", "random", "pretrained")),
        ("translation", ("baseline", "random", "pretrained")),
    ],
)
def test_an_lstm_is_an_arm_where_it_can_take_the_place_of_the_backbone(
    kind: str, expected: tuple[str, ...]
) -> None:
    assert arms_of(kind) == expected


def test_only_one_backbone_has_the_pretrained_weights(
    backbone: Path, toy: ClassificationConfig
) -> None:
    known = models.load(backbone).state_dict()
    made = {arm: make().state_dict() for arm, make in _backbones(toy, backbone, 0.1).items()}
    assert all(torch.equal(made["pretrained"][name], known[name]) for name in known)
    assert {name: tensor.shape for name, tensor in made["random"].items()} == {
        name: tensor.shape for name, tensor in made["pretrained"].items()
    }
    assert not torch.equal(made["random"]["wte.weight"], known["wte.weight"])


def test_networks_have_about_as_many_parameters(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path
) -> None:
    task = with_finetune(toy, epochs=1)
    examples = KIND.read_examples(task, "train")
    spec, splits = KIND.make_spec(task, examples), split_examples(task, KIND, examples)
    sizes = {}
    for arm in ("lstm", "random", "pretrained"):
        (tmp_path / arm).mkdir()
        fitted = fit_arm(arm, task, spec, backbone, splits, examples, tmp_path / arm)
        sizes[arm] = fitted.n_parameters
    assert sizes["random"] == sizes["pretrained"]
    assert sizes["lstm"] == pytest.approx(sizes["random"], rel=0.03)


@pytest.mark.parametrize(("arm", "method"), [("pretrained", "lora"), ("random", "full")])
def test_random_weights_are_trained_in_full(
    arm: str,
    method: str,
    backbone: Path,
    toy: ClassificationConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the rate of full fine-tuning; only the pretrained backbone can be frozen."""
    seen: list[TaskConfig] = []

    def observed(task: TaskConfig, *given: Any) -> Any:
        seen.append(task)
        return train_network(task, *given)

    monkeypatch.setattr("textmill.tasks.curve.arms.train_network", observed)
    task = with_finetune(toy, method="lora", epochs=1, learning_rate=0.03)
    examples = KIND.read_examples(task, "train")
    spec, splits = KIND.make_spec(task, examples), split_examples(task, KIND, examples)
    fit_arm(arm, task, spec, backbone, splits, examples, tmp_path)
    (used,) = (task.finetune for task in seen)
    assert (used.method, used.learning_rate) == (method, 0.03 if method == "lora" else 1e-3)
