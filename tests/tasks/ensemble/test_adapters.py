"""Specifies adapters: what they store, and what adapters on one backbone share."""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tasks.conftest import made, tune, with_finetune
from textmill.config import LoRAConfig
from textmill.errors import InputError
from textmill.files import read_json, write_json
from textmill.model.layout import load_weights, save_weights
from textmill.model.lora import LoRALinear
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble import adapters
from textmill.tasks.ensemble.adapters import load_backbone, shared_backbone
from textmill.tasks.ensemble.predictor import Predictor, load_predictor

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning:lightning"
)
TEXTS = ["the splendid room", "awful staff and meal", "window", "wonderful"]
CPU = torch.device("cpu")


def tuned_adapter(
    toy: ClassificationConfig, backbone: Path, place: Path, **changes: Any
) -> tuple[Path, Path]:
    place.mkdir()
    out, work = made(place)
    settings = {"method": "lora", "learning_rate": 0.03, "lora": LoRAConfig(r=4, merge=False)}
    tune(with_finetune(toy, **settings | changes), backbone, out, work)
    return out, work


@pytest.fixture(scope="module")
def adapter(
    backbone: Path, toy: ClassificationConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return tuned_adapter(toy, backbone, tmp_path_factory.mktemp("adapters") / "model")[0]


def network_of(predictor: Predictor, number: int = 0) -> Any:
    scorer: Any = predictor.scorers[number][0]
    return scorer.args[0]


def scores(predictor: Predictor) -> list[float]:
    return [answer["score"] for answer in predictor(TEXTS)]


def test_an_adapter_stores_what_was_trained_beside_its_backbone(
    adapter: Path, backbone: Path
) -> None:
    weights = load_weights(adapter)
    assert {*weights} == {"head.weight", "head.bias"} | {
        f"backbone.h.{layer}.{name}.lora_{part}"
        for layer in (0, 1)
        for name in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
        for part in "AB"
    }
    for name in ("config.json", "model.safetensors"):
        assert (adapter / "backbone" / name).read_bytes() == (backbone / name).read_bytes()
    task = read_json(adapter / "task.json")
    assert task["adapter"]["lora"]["r"] == 4
    assert len(task["adapter"]["backbone"]) == 64


def test_the_backbone_takes_no_space_where_files_can_be_linked(
    adapter: Path, backbone: Path
) -> None:
    weights = Path("model.safetensors")
    assert (adapter / "backbone" / weights).samefile(backbone / weights)


def test_a_copied_adapter_predicts_like_the_merged_model(
    adapter: Path, backbone: Path, toy: ClassificationConfig, tmp_path: Path
) -> None:
    merged = tuned_adapter(toy, backbone, tmp_path / "merged", lora=LoRAConfig(r=4))[0]
    assert not (merged / "backbone").exists()
    copied = tmp_path / "copied"
    shutil.copytree(adapter, copied)
    predictor = load_predictor(copied)
    assert isinstance(network_of(predictor).backbone.h[0].mlp.c_fc, LoRALinear)
    assert scores(predictor) == pytest.approx(scores(load_predictor(merged)), abs=1e-5)
    # Or else both would be the backbone: the second factor of an update begins at zero.
    assert all(tensor.any() for tensor in load_weights(copied).values())


def test_networks_of_several_seeds_share_one_backbone(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path
) -> None:
    out, _ = tuned_adapter(toy, backbone, tmp_path / "several", seeds=2, epochs=1)
    assert [file.name for file in (out / "network-2").iterdir()] == ["model.safetensors"]
    predictor = load_predictor(out)
    first, second = (network_of(predictor, number).backbone for number in (0, 1))
    assert first.wte.weight is second.wte.weight
    assert not torch.equal(first.h[0].mlp.c_fc.lora_A, second.h[0].mlp.c_fc.lora_A)


def test_the_backbone_itself_shares_its_tensors_with_adapters_on_it(
    adapter: Path, backbone: Path, tmp_path: Path
) -> None:
    whole, of_adapter = load_backbone(backbone, CPU), network_of(load_predictor(adapter)).backbone
    assert whole.wte.weight is of_adapter.wte.weight
    assert whole.h[0].mlp.c_fc.weight is of_adapter.h[0].mlp.c_fc.weight
    assert not isinstance(whole.h[0].mlp.c_fc, LoRALinear)
    with pytest.raises(InputError, match="is not a backbone"):
        load_backbone(tmp_path, CPU)


def test_adapters_of_several_models_share_the_tensors_of_their_backbone(
    adapter: Path, backbone: Path, toy: ClassificationConfig, tmp_path: Path
) -> None:
    other, _ = tuned_adapter(toy, backbone, tmp_path / "other", seed=5, epochs=1)
    alone = scores(load_predictor(adapter)), scores(load_predictor(other))
    predictors = [load_predictor(adapter), load_predictor(other)]
    networks = [network_of(predictor) for predictor in predictors]
    parameters = [dict(network.backbone.named_parameters()) for network in networks]
    shared = {name for name in parameters[0] if parameters[0][name] is parameters[1][name]}
    assert shared == {name for name in parameters[0] if "lora_" not in name}
    assert [scores(predictor) for predictor in predictors] == [*alone]
    assert alone[0] != alone[1]


def test_the_shared_tensors_are_freed_with_the_last_network(adapter: Path) -> None:
    digest = read_json(adapter / "task.json")["adapter"]["backbone"]
    first, second = (shared_backbone(adapter, digest, CPU) for _ in range(2))
    assert first.wte.weight is second.wte.weight
    del first
    gc.collect()
    assert (digest, "cpu") in adapters._loaded
    third = shared_backbone(adapter, digest, CPU)
    assert third.wte.weight is second.wte.weight
    del second, third
    gc.collect()
    assert (digest, "cpu") not in adapters._loaded


def changed(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        write_json(folder / name, change(json.loads((folder / name).read_text())))

    return apply


def with_adapter(**values: Any) -> Callable[[Path], None]:
    return changed("task.json", lambda task: task | {"adapter": task["adapter"] | values})


def overwrite_backbone(folder: Path) -> None:
    weights = load_weights(folder)
    save_weights(weights | {"backbone.ln_f.weight": torch.zeros(16)}, folder)


def replace_by_pipe(folder: Path) -> None:
    config = folder / "backbone" / "config.json"
    config.unlink()
    os.mkfifo(config)


def remove_backbone(folder: Path) -> None:
    shutil.rmtree(folder / "backbone")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_backbone, r"backbone is missing or not the backbone of this adapter"),
        (
            overwrite_backbone,
            r"backbone\.ln_f\.weight is a weight of the backbone, not of an adapter",
        ),
        (replace_by_pipe, "is a named pipe, not a file"),
        (with_adapter(backbone="0" * 64), "backbone is missing or not the backbone of this"),
        (with_adapter(backbone="../other"), r"task\.json is damaged"),
        (with_adapter(lora={"r": 8}), r"lora_A has the shape \(4, 16\), not \(8, 16\)"),
        (with_adapter(lora={"r": 10**9}), r"r=1000000000 is larger than the width"),
        (with_adapter(lora={"targets": ["head"]}), r"task\.json is damaged"),
        (changed("task.json", lambda t: t | {"adapter": [1]}), r"task\.json is damaged"),
        (
            changed("backbone/config.json", lambda c: {**c, "note": 1}),
            "backbone is missing or not the backbone of this adapter",
        ),
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            r"has no weights: model\.safetensors is missing",
        ),
    ],
)
def test_a_damaged_adapter_is_named(
    adapter: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(adapter, folder)
    damage(folder)
    with pytest.raises(InputError, match=message):
        load_predictor(folder)
