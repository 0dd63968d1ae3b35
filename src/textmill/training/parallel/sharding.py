"""Sharding of weights, gradients and optimizer state (FSDP2, torch's `fully_shard`).

Sources: Rajbhandari et al. 2020 (ZeRO, stage 3), Zhao et al. 2023 (PyTorch FSDP).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy, Strategy
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from textmill.model import GPT
from textmill.model.gpt import MLP, Attention
from textmill.training.optimization.optimizers import CombinedOptimizer


def shard(network: GPT, mesh: DeviceMesh, is_bf16: bool) -> None:
    """Shard every weight over the devices; a forward pass gathers each sublayer when needed.

    All devices must hold the same weights before, and run the same forward passes after.

    Args:
        network: the model; its parameters become `DTensor`s.
        mesh: the devices, one-dimensional.
        is_bf16: whether training uses autocast to bf16. The sublayers' weights are then gathered in
            bf16 and their gradients reduced in fp32: the same numbers as with autocast, in half the
            bytes. Embeddings and norms stay in fp32, as with autocast.
    """
    policy = MixedPrecisionPolicy()
    if is_bf16:
        # Autocast handles the inputs: rotary angles stay in fp32.
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    for sublayer in network.modules():
        if isinstance(sublayer, Attention | MLP):
            fully_shard(sublayer, mesh=mesh, mp_policy=policy)
    fully_shard(network, mesh=mesh)


def unshard(network: GPT) -> GPT:
    """Return an unsharded copy of a sharded model; a collective operation of all devices.

    Each device can validate and sample from it independently. While it exists, every device holds
    all weights in fp32, but not the gradients or the optimizer state.
    """
    with torch.device("meta"):
        copy = GPT(network.config)
    made: dict[nn.Parameter, nn.Parameter] = {}  # keeps tied weights tied
    for module, sharded in zip(copy.modules(), network.modules(), strict=True):
        for name, parameter in sharded.named_parameters(recurse=False):
            if parameter not in made:
                made[parameter] = nn.Parameter(_gather(parameter), requires_grad=False)
            setattr(module, name, made[parameter])
        for name, buffer in sharded.named_buffers(recurse=False):
            setattr(module, name, buffer)
    return copy.train(network.training)


class ShardedStrategy(ModelParallelStrategy):
    """Lightning's strategy for FSDP2, with unsharded checkpoints.

    They hold full tensors and the optimizer's numbering of parameters, so that a training can
    resume with another number of devices, or without sharding. Lightning's sharded checkpoints are
    pickled, and number parameters in another order.

    Args:
        devices: number of devices.
    """

    def __init__(self, devices: int) -> None:
        super().__init__(devices, tensor_parallel_size=1, save_distributed_checkpoint=False)

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Whether `load_optimizer_state_dict` is called."""
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return the state of the module, unsharded on rank 0."""
        return self._gathered(Strategy.lightning_module_state_dict(self))

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the state of an optimizer, unsharded on rank 0."""
        return self._gathered(Strategy.optimizer_state(self, optimizer))

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None
    ) -> None:
        """Write the state gathered on rank 0."""
        Strategy.save_checkpoint(self, checkpoint, filepath, storage_options)

    def load_checkpoint(
        self, checkpoint_path: Any, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return a checkpoint, unsharded, on every rank."""
        return Strategy.load_checkpoint(self, checkpoint_path, weights_only)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Load this device's shard of the weights."""
        assert self.lightning_module is not None
        here = self.lightning_module.state_dict()
        state = {
            name: _local_shard(value, here[name])
            for name, value in checkpoint["state_dict"].items()
        }
        self.lightning_module.load_state_dict(state, strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Load this device's shard of the optimizer's state."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer.load_state_dict(_local_state(state, optimizer))

    def _gathered(self, state: dict[str, Any]) -> dict[str, Any]:
        # One tensor at a time, which only rank 0 keeps, in its host's memory.
        def gather(tensor: DTensor) -> Tensor | None:
            gathered = _gather(tensor)
            return gathered.cpu() if self.is_global_zero else None

        gathered: dict[str, Any] = apply_to_collection(state, DTensor, gather)
        return gathered


def _gather(tensor: Tensor) -> Tensor:
    assert isinstance(tensor, DTensor)
    return tensor.full_tensor().detach()


def _local_shard(value: Any, like: Tensor) -> Any:
    """Return this device's shard of a full tensor of a parameter's shape; other values unchanged.

    Other values are those such as an optimizer's step count.
    """
    if not (isinstance(like, DTensor) and isinstance(value, Tensor) and value.shape == like.shape):
        return value
    local = value.to(like.device)
    return distribute_tensor(local, like.device_mesh, like.placements, src_data_rank=None)


def _local_state(state: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    if isinstance(optimizer, CombinedOptimizer):
        parts = zip(state["optimizers"], optimizer.optimizers, strict=True)
        return {"optimizers": [_local_state(*part) for part in parts]}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    sharded = {
        number: {name: _local_shard(value, parameters[number]) for name, value in values.items()}
        for number, values in state["state"].items()
    }
    return {**state, "state": sharded}
