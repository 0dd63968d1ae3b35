"""Specifies fine-tuning with a frozen backbone: the head alone, and low-rank updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tasks.conftest import made, points, tune, with_finetune
from tests.tasks.ensemble.test_candidates import make_task
from textmill import model as models
from textmill.config import FinetuneConfig, LoRAConfig
from textmill.files import read_json
from textmill.model.layout import load_weights
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.translation.settings import TranslationFinetuneConfig
from textmill.tasks.tuning.best_epoch import FinetuneModule
from textmill.training.checkpoint import newest_checkpoint

# Lightning announces its own changes, and that two processor cores could load data.
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning:lightning"
)


def prefixed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"backbone.{name}": tensor for name, tensor in weights.items()}


def changed(found: dict[str, torch.Tensor], backbone: Path) -> set[str]:
    """The names of the weights that are not those of the backbone."""
    before = prefixed(models.load(backbone).state_dict())
    return {name for name in found if name not in before or not found[name].equal(before[name])}


def test_the_head_is_learned_and_the_backbone_stays(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path
) -> None:
    out, work = made(tmp_path)
    tune(with_finetune(toy, method="head", learning_rate=0.1, epochs=20), backbone, out, work)
    assert changed(load_weights(out), backbone) == {"head.weight", "head.bias"}
    assert read_json(out / "metrics.json")["best_validation_accuracy"] > 0.7
    losses = points(work, "validation/loss")
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_low_rank_updates_are_learned_and_merged(
    backbone: Path, toy: ClassificationConfig, tuned: tuple[Path, Path], tmp_path: Path
) -> None:
    out, work = made(tmp_path)
    settings = {"method": "lora", "learning_rate": 0.01, "epochs": 20}  # enough for any seed
    tune(with_finetune(toy, **settings), backbone, out, work)
    assert read_json(out / "metrics.json")["best_validation_accuracy"] == 1.0
    names = {file.name for file in out.iterdir()}
    assert names == {file.name for file in tuned[0].iterdir()}  # those of full fine-tuning
    weights = load_weights(out)
    assert {*weights} == {*load_weights(tuned[0])}
    sublayers = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    updated = {f"backbone.h.{layer}.{name}.weight" for layer in (0, 1) for name in sublayers}
    assert changed(weights, backbone) == updated | {"head.weight", "head.bias"}
    for name in updated:
        update = weights[name] - prefixed(models.load(backbone).state_dict())[name]
        assert int(torch.linalg.matrix_rank(update, atol=1e-4)) <= 8
    texts = ["splendid lovely room", "the awful grim meal"]
    assert [answer["label"] for answer in load_predictor(out)(texts)] == ["good", "bad"]


@pytest.mark.parametrize("kind", ["classification", "tagging", "translation"])
@pytest.mark.parametrize("method", ["head", "lora"])
def test_every_kind_of_task_has_the_methods(
    kind: str, method: str, backbone: Path, tmp_path: Path
) -> None:
    config = make_task(tmp_path, kind, method=method, epochs=2, learning_rate=0.01)
    out, work = made(tmp_path)
    tune(config, backbone, out, work)
    before, after = points(work, "validation/loss")
    assert after < before
    is_inner = {name.startswith("backbone.") for name in changed(load_weights(out), backbone)}
    assert is_inner == ({False} if method == "head" else {False, True})


CAREFUL = {
    "epochs": 3,
    "dropout": 0.1,
    "average_decay": 0.9,
    "checkpoint_every_steps": 1,
    "learning_rate": 0.01,
    "lora": LoRAConfig(dropout=0.1),
}


@pytest.mark.parametrize("method", ["head", "lora"])
def test_an_interrupted_training_continues_bit_for_bit(
    method: str,
    backbone: Path,
    toy: ClassificationConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = with_finetune(toy, method=method, **CAREFUL)
    out, work = made(tmp_path)
    tune(config, backbone, out, work)
    (tmp_path / "again").mkdir()
    again, resumed = made(tmp_path / "again")
    validate, calls = FinetuneModule.validate, []

    def interrupted(self: FinetuneModule) -> dict[str, float]:
        calls.append(self.global_step)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return validate(self)

    monkeypatch.setattr(FinetuneModule, "validate", interrupted)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        tune(config, backbone, again, resumed)
    tune(config, backbone, again, resumed)
    assert calls == [7, 14, 14, 21]
    for name in ("model.safetensors", "metrics.json", "task.json"):
        assert (again / name).read_bytes() == (out / name).read_bytes()
    assert points(resumed, "validation/loss") == points(work, "validation/loss")


@pytest.mark.parametrize("method", ["full", "lora"])
def test_checkpoints_hold_only_what_is_trained(
    method: str, backbone: Path, toy: ClassificationConfig, tmp_path: Path
) -> None:
    config = with_finetune(toy, method=method, **CAREFUL)
    out, work = made(tmp_path)
    tune(config, backbone, out, work)
    folder = newest_checkpoint(work)
    assert folder is not None
    state = (folder / "state.json").read_text()
    assert ("backbone.h.0.mlp.c_fc.weight" in state) is (method == "full")
    assert state.count(".lora_A") == (0 if method == "full" else 2 * 8)  # and of the average
    kept = load_weights(work / "best")
    assert ("backbone.wte.weight" in kept) is (method == "full")


def test_a_finished_training_of_an_interrupted_step_is_not_repeated(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_finetune(toy, method="lora", epochs=1)
    out, work = made(tmp_path)
    tune(config, backbone, out, work)
    monkeypatch.setattr(
        "textmill.tasks.tuning.best_epoch.fit", lambda *_: pytest.fail("it is finished")
    )
    (tmp_path / "again").mkdir()
    again, _ = made(tmp_path / "again")
    tune(config, backbone, again, work)
    assert (again / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("settings", "of", "rate"),
    [
        ({}, FinetuneConfig, 1e-3),
        ({"method": "lora"}, TranslationFinetuneConfig, 2e-3),
        ({"method": "head"}, FinetuneConfig, 0.016),
        ({"method": "head"}, TranslationFinetuneConfig, 0.016),
        ({"method": "head", "learning_rate": 1e-5}, FinetuneConfig, 1e-5),
    ],
)
def test_the_default_learning_rate_is_that_of_the_kind_and_the_method(
    settings: dict[str, Any], of: type[FinetuneConfig], rate: float
) -> None:
    assert of.model_validate(settings).learning_rate == pytest.approx(rate)
