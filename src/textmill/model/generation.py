"""Autoregressive generation, token by token, and the weights laid out for it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from textmill.config import GenerationConfig, GenerationPrecision
from textmill.errors import InputError
from textmill.hardware import best_precision
from textmill.model.continuous_batch import ContinuousBatch, Generated
from textmill.model.gpt import GPT
from textmill.model.packed_linear import Int8Linear, OneDNNLinear, supports_bf16, supports_int8


def prepare(network: GPT, precision: GenerationPrecision = "auto") -> GPT:
    """Lay out the weights of a network for generation, in place, and return it.

    A new token of a text takes as long as reading all weights once: the linear layers' are stored
    as products with few rows read them fastest.

    Args:
        network: in eval mode. In bf16 and int8, it can only be used for inference from then on.
        precision: bf16 halves what is read, and int8 halves it again; auto: bf16 where the
            processor computes it natively.

    Raises:
        InputError: there are no kernels for int8.
    """
    if precision == "auto":
        precision = best_precision(network.device.type)
    if precision == "bf16":
        network = network.to(torch.bfloat16)
    if precision == "int8" and (network.device.type != "cpu" or not supports_int8()):
        raise InputError(
            "generation.precision=int8 needs a CPU for which torch has kernels: set it to auto."
        )
    is_packed = precision == "bf16" and network.device.type == "cpu" and supports_bf16()
    for module in [*network.modules()]:
        for name, layer in [*module.named_children()]:
            if not isinstance(layer, nn.Linear):
                continue
            if precision == "int8":
                setattr(module, name, Int8Linear(layer))
            elif is_packed:
                setattr(module, name, OneDNNLinear(layer))
            elif layer.out_features >= layer.in_features:
                # The same parameter, which may be that of the embedding too.
                layer.weight.data = layer.weight.data.t().contiguous().t()
    return network


def generate(network: GPT, input_ids: Tensor, config: GenerationConfig) -> Iterator[Tensor]:
    """Yield the next token of every text, (B,), up to max_new_tokens times.

    Args:
        network: in eval mode.
        input_ids: (B, T), the prompts, at least one token each.
        config: the first row has its seed, and every further one the next.

    Raises:
        InputError: the prompts are empty, or longer than a context that does not slide.
    """
    batch = ContinuousBatch(network, len(input_ids), input_ids.size(1) + config.max_new_tokens)
    texts = [
        Generated(prompt, config.model_copy(update={"seed": config.seed + row}))
        for row, prompt in enumerate(input_ids.tolist())
    ]
    for text in texts:
        batch.add(text)
    while batch.texts:  # all are of the same length, and end with the same token
        batch.step()
        yield torch.tensor([text.tokens[-1] for text in texts], device=input_ids.device)
