"""Specifies training with sharded weights: what one device computes, from and to any checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from tests.training.conftest import fork, logged, newest_step, run, start, wait_until
from tests.training.parallel.test_ranks import LONG, assert_same_training
from textmill.config import ModelConfig, PretrainConfig, key_values
from textmill.errors import RunError
from textmill.model import GPT
from textmill.training.parallel.sharding import shard, unshard

# Lightning asks torch whether a tree is a leaf in a way that torch will drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")

SHARDED: dict[str, Any] = {"devices": 2, "strategy": "fsdp"}
ODD = dict(
    position="learned",
    norm="layer",
    norm_placement="post",
    activation="swiglu",
    n_embd=18,
    tie_embeddings=False,
    bias=True,
)
"""With biases and an output layer, and rows that two devices cannot split evenly."""


def be_rank(rank: int, folder: Path) -> None:
    """Shard a model as one of two devices, and put it together again."""
    store = f"file://{folder / 'store'}"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    for is_tied in (True, False):
        torch.manual_seed(0)
        shape = {"n_layer": 2, "n_head": 2, "n_embd": 20, "block_size": 16, "vocab_size": 21}
        network = GPT(ModelConfig.model_validate(shape | {"tie_embeddings": is_tied})).eval()
        ids = torch.arange(16)[None]
        logits, n_weights = network(ids), sum(p.numel() for p in network.parameters())
        shard(network, mesh, is_bf16=False)
        held = [p.to_local() for p in network.parameters() if isinstance(p, DTensor)]
        assert 0.4 < sum(part.numel() for part in held) / n_weights < 0.6
        together = unshard(network)
        assert not any(isinstance(p, DTensor) for p in together.parameters())
        assert (together.lm_head.weight is together.wte.weight) == is_tied
        if rank == 0:  # an unsharded model needs no other rank
            assert torch.equal(together(ids), logits)
    distributed.barrier()
    distributed.destroy_process_group()


@pytest.mark.slow
def test_a_device_holds_its_share_and_all_together_the_whole_model(tmp_path: Path) -> None:
    ranks = [fork(be_rank, rank, tmp_path) for rank in (0, 1)]
    for rank in ranks:
        rank.join(60)
    assert [rank.exitcode for rank in ranks] == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "choices", "tolerance"),
    [
        ({"dropout": 0.2}, {"accumulate": 4, "activation_checkpointing": True}, 1e-5),
        (ODD, {"accumulate": 2, "objective": "hybrid", "average_decay": 0.5}, 1e-5),
        # It computes its steps in bf16, which makes more of a difference in the last digit.
        ({"dropout": 0.2}, {"accumulate": 2, "optimizer": "muon"}, 3e-3),
        # Where a sum of gradients rounds to another bf16: 3e-4 with two of the seeds 0 to 4.
        ({"dropout": 0.2}, {"accumulate": 4, "precision": "bf16"}, 1e-3),
    ],
    ids=["causal", "hybrid", "muon", "bf16"],
)
def test_two_devices_with_half_the_weights_each_compute_what_one_does(
    inputs: dict[str, Path], model: dict[str, Any], choices: dict[str, Any], tolerance: float
) -> None:
    """Also where one of them has no batch to validate on."""
    choices = choices | {"validation_blocks": 4}
    one = run(inputs, "one", model, **choices)
    two = run(inputs, "two", model, **SHARDED, **choices)
    assert_same_training(two, one, tolerance)
    for metric in ("train/update_norm", "cost/flops"):
        assert logged(two, metric) == pytest.approx(logged(one, metric), abs=tolerance), metric
    for name in ("metrics.json", "training_samples.json", "config.json"):
        assert (two / name).read_bytes() == (one / name).read_bytes()
    assert (two / "model.safetensors").stat().st_size == (one / "model.safetensors").stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_stopped_training_goes_on_to_the_same_bytes_and_on_one_device(
    inputs: dict[str, Path], optimizer: str
) -> None:
    choices = LONG | {"max_steps": 30, "optimizer": optimizer, "average_decay": 0.9}
    base = inputs["tokens"].parent
    process = start(inputs, "parts", {"dropout": 0.2}, **SHARDED, **choices)
    wait_until(lambda: newest_step(base / "parts" / "work") >= 6, process)
    process.terminate()
    process.join(60)
    assert process.exitcode == 1
    shutil.copytree(base / "parts", base / "alone" / "parts")  # metrics are bound to that name
    tolerance = 1e-5 if optimizer == "adamw" else 3e-2  # Muon's roundings (bf16) add up
    uninterrupted = run(inputs, "whole", {"dropout": 0.2}, **SHARDED, **choices)
    parts = run(inputs, "parts", {"dropout": 0.2}, **SHARDED, **choices)
    for file in uninterrupted.iterdir():
        assert (parts / file.name).read_bytes() == file.read_bytes()
    assert logged(parts, "train/loss") == logged(uninterrupted, "train/loss")
    alone = run(inputs, "alone/parts", {"dropout": 0.2}, **choices)
    assert_same_training(alone, uninterrupted, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_training_that_was_not_sharded_goes_on_sharded(
    inputs: dict[str, Path], devices: int
) -> None:
    choices = LONG | {"max_steps": 30, "average_decay": 0.9}
    work = inputs["tokens"].parent / "parts" / "work"
    with pytest.raises(RunError, match="max_hours"):
        run(inputs, "parts", devices=devices, **choices | {"max_hours": 1e-9})
    assert len(list((work / "checkpoints").iterdir())) == 1
    assert_same_training(run(inputs, "parts", **SHARDED, **choices), run(inputs, "one", **choices))


def test_how_devices_share_a_model_is_no_part_of_a_key() -> None:
    choices: dict[str, Any] = {"accumulate": 2}
    assert key_values(PretrainConfig(**SHARDED, **choices)) == key_values(PretrainConfig(**choices))


def test_shards_are_not_compiled() -> None:
    with pytest.raises(ValueError, match=r"compile=true and strategy=fsdp .* set compile=false"):
        PretrainConfig(accumulate=2, compile=True, **SHARDED)
