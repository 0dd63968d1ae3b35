"""Methods of fine-tuning: which weights of a network are trained, and how the rest is stored."""

from __future__ import annotations

from torch import nn

from textmill.config import FinetuneConfig
from textmill.errors import InputError
from textmill.model import GPT, lora


def restrict(network: nn.Module, config: FinetuneConfig) -> None:
    """Freeze the weights of a network that its method does not train, and add low-rank updates.

    Frozen matrices are stored in the precision of the products that they are used for: the numbers
    are those of autocast, which would cast them in every step.

    Args:
        network: a task's network, changed in place.
        config: the method.

    Raises:
        InputError: the method trains nothing of this network, or the rank is too large.
    """
    if config.method == "full":
        return
    backbone = network.backbone
    assert isinstance(backbone, GPT)
    backbone.requires_grad_(False)
    if config.method == "lora":
        lora.attach(backbone, config.lora)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(
            "finetune.method=head: this kind of task adds no layers to the backbone that could be "
            "trained: set method=lora or full."
        )
    if config.precision == "bf16":
        for parameter in backbone.h.parameters():
            if parameter.dim() == 2 and not parameter.requires_grad:
                parameter.data = parameter.data.bfloat16()


def release(network: nn.Module, backbone: nn.Module, config: FinetuneConfig) -> None:
    """Restore frozen weights to full precision, and merge low-rank updates if configured, in place.

    Args:
        network: a network of `restrict`, trained.
        backbone: the backbone that it was built on, unchanged; shares its weights afterwards.
        config: the method, other than full.
    """
    restored = network.backbone
    assert isinstance(restored, GPT)
    weights = backbone.state_dict()
    for name, parameter in restored.named_parameters():
        if not parameter.requires_grad:
            parameter.data = weights[name].to(parameter.device)
    if config.method == "lora" and config.lora.merge:
        lora.merge(restored)


def flops_per_token(network: GPT, n_tokens: int) -> int:
    """Return the FLOPs of a training step per token, for rows of n_tokens.

    Without a trained weight, there is no backward pass; frozen matrices have no gradient, which is
    half of theirs.
    """
    flops = network.flops_per_token(n_tokens)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return flops // 3
    matrices = [*network.h.parameters(), *network.lm_head.parameters()]
    frozen = [p for p in matrices if p.dim() == 2 and not p.requires_grad]
    return flops - 2 * sum(parameter.numel() for parameter in frozen)
