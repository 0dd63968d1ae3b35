"""Weights, gradients and optimizer state split among devices (FSDP2, torch's `fully_shard`).

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
from textmill.training.optimizers import Joined


def shard(network: GPT, mesh: DeviceMesh, is_bf16: bool) -> None:
    """Leave each device its part of every weight; a forward pass gathers a sublayer's when needed.

    All devices have to hold the same weights before, and run the same forward passes after.

    Args:
        network: the model; its parameters become `DTensor`s.
        mesh: the devices, in one dimension.
        is_bf16: whether the training is in mixed precision by autocast. The sublayers' weights then
            travel in bf16 and their gradients in fp32: what autocast would make of them, in half
            the bytes. Embeddings and norms stay in fp32, as autocast leaves them.
    """
    policy = MixedPrecisionPolicy()
    if is_bf16:
        # Autocast looks after the inputs: those of a sublayer with rotations stay in fp32.
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    for sublayer in network.modules():
        if isinstance(sublayer, Attention | MLP):
            fully_shard(sublayer, mesh=mesh, mp_policy=policy)
    fully_shard(network, mesh=mesh)


def whole(network: GPT) -> GPT:
    """Return an ordinary copy of a sharded model, with every weight; all devices have to ask.

    It can be validated and sampled from by each device as it likes. While it is kept, every device
    holds all weights in fp32, but no second gradient or optimizer state.
    """
    with torch.device("meta"):
        copy = GPT(network.config)
    made: dict[nn.Parameter, nn.Parameter] = {}  # one of tied weights is the other
    for module, sharded in zip(copy.modules(), network.modules(), strict=True):
        for name, parameter in sharded.named_parameters(recurse=False):
            if parameter not in made:
                made[parameter] = nn.Parameter(_gather(parameter), requires_grad=False)
            setattr(module, name, made[parameter])
        for name, buffer in sharded.named_buffers(recurse=False):
            setattr(module, name, buffer)
    return copy.train(network.training)


class ShardedStrategy(ModelParallelStrategy):
    """Lightning's strategy for FSDP2, with the checkpoints of all others.

    They hold whole tensors, and the optimizer's numbering of parameters: so a training goes on with
    another number of devices, or without sharding. Lightning's own are pickled, and numbered in
    another order.

    Args:
        devices: how many split the weights.
    """

    def __init__(self, devices: int) -> None:
        super().__init__(devices, tensor_parallel_size=1, save_distributed_checkpoint=False)

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Whether `load_optimizer_state_dict` is called."""
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return the state of the module, whole on rank 0."""
        return self._gathered(Strategy.lightning_module_state_dict(self))

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the state of an optimizer, whole on rank 0."""
        return self._gathered(Strategy.optimizer_state(self, optimizer))

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None
    ) -> None:
        """Write what rank 0 has gathered."""
        Strategy.save_checkpoint(self, checkpoint, filepath, storage_options)

    def load_checkpoint(
        self, checkpoint_path: Any, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return a checkpoint, whole on every device's host."""
        return Strategy.load_checkpoint(self, checkpoint_path, weights_only)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Take this device's part of the weights."""
        assert self.lightning_module is not None
        here = self.lightning_module.state_dict()
        state = {name: _part(value, here[name]) for name, value in checkpoint["state_dict"].items()}
        self.lightning_module.load_state_dict(state, strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this device's part of the optimizer's state."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer.load_state_dict(_part_of_state(state, optimizer))

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


def _part(value: Any, like: Tensor) -> Any:
    """Return this device's part of a whole tensor that belongs to a parameter, or else the value.

    The part is sharded as the parameter is; an optimizer's count of steps is not.
    """
    if not (isinstance(like, DTensor) and isinstance(value, Tensor) and value.shape == like.shape):
        return value
    local = value.to(like.device)
    return distribute_tensor(local, like.device_mesh, like.placements, src_data_rank=None)


def _part_of_state(state: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    if isinstance(optimizer, Joined):
        parts = zip(state["optimizers"], optimizer.optimizers, strict=True)
        return {"optimizers": [_part_of_state(*part) for part in parts]}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    sharded = {
        number: {name: _part(value, parameters[number]) for name, value in values.items()}
        for number, values in state["state"].items()
    }
    return {**state, "state": sharded}
