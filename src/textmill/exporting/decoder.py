"""A backbone as a graph with a KV cache; inputs and outputs have the names usual for decoders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from textmill.exporting.onnx_files import check_difference, max_difference, write_graph
from textmill.hardware import n_cores
from textmill.model import GPT, KVCache
from textmill.tasks.portable.onnx_predictor import open_session

AXES = {
    "input_ids": {0: "batch", 1: "tokens"},
    "attention_mask": {0: "batch", 1: "all_tokens"},
}
PAST_AXES = {0: "batch", 2: "past_tokens"}
CHECKED = ((1, 1, 0), (1, 5, 0), (3, 4, 2), (2, 1, 7))
"""Rows, tokens and tokens in the cache of the random inputs that are compared."""


class GrowingCache(KVCache):
    """Keys and values as tensors that grow, with a mask of the tokens: a graph writes in no place.

    Args:
        past: keys and values of each layer, (B, n_kv_head, S, hs), in turn.
        attention_mask: (B, S + T), int64, 0 for padding.
    """

    def __init__(self, past: Sequence[Tensor], attention_mask: Tensor) -> None:
        self.keys, self.values = [*past[::2]], [*past[1::2]]
        self.is_token = attention_mask > 0
        # Those that count for the limit of the context, which the caller keeps, are the new ones.
        self.length = self.min_padding = past[0].size(2)

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append the new tokens' keys and values and return those of all tokens so far."""
        self.keys[layer] = torch.cat((self.keys[layer], k), dim=2)
        self.values[layer] = torch.cat((self.values[layer], v), dim=2)
        return self.keys[layer], self.values[layer]

    def attention_mask(self, n_new: int, is_causal: bool = True) -> Tensor:
        """Return the attention mask of new tokens, (B, 1, T, S + T)."""
        keys = torch.arange(self.is_token.size(1))
        queries = keys[self.length :, None]
        # Padding attends to itself: the softmax of an empty row is NaN.
        return (keys <= queries) & self.is_token[:, None, None] | (keys == queries)

    def positions(self, n_new: int) -> Tensor:
        """Return the positions of new tokens, (B, T), counted from the first that is no padding."""
        return (self.is_token.long().cumsum(dim=1) - 1).clamp(min=0)[:, self.length :]


class Decoder(nn.Module):
    """A backbone from tokens and cache to logits and cache."""

    def __init__(self, backbone: GPT) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, past: list[Tensor]
    ) -> tuple[Tensor, ...]:
        """Return the logits, (B, T, vocab_size), and the keys and values of all tokens.

        Args:
            input_ids: (B, T), the new tokens.
            attention_mask: (B, S + T), int64, 0 for padding, which is at the beginning.
            past: keys and values of each layer, (B, n_kv_head, S, hs), in turn.
        """
        cache = GrowingCache(past, attention_mask)
        logits = self.backbone(input_ids, cache=cache)
        return logits, *_in_turn(cache.keys, cache.values)

    def inputs(self, n_rows: int, n_new: int, n_past: int) -> dict[str, Any]:
        """Return random inputs; the first tokens of the last of several rows are padding."""
        config = self.backbone.config
        assert config.vocab_size is not None
        mask = torch.ones(n_rows, n_past + n_new, dtype=torch.int64)
        mask[1:, : n_past // 2] = 0
        shape = (n_rows, config.kv_heads, n_past, config.head_width)
        return {
            "input_ids": torch.randint(config.vocab_size, (n_rows, n_new)),
            "attention_mask": mask,
            "past": [torch.randn(shape) for _ in range(2 * config.n_layer)],
        }


def names(n_layer: int) -> tuple[list[str], list[str]]:
    """Return the names of a graph's inputs and outputs."""
    past, present = (
        [f"{kind}.{layer}.{part}" for layer in range(n_layer) for part in ("key", "value")]
        for kind in ("past_key_values", "present")
    )
    return [*AXES, *past], ["logits", *present]


def write_decoder(backbone: GPT, file: Path) -> None:
    """Write a backbone in eval mode as a graph."""
    n_layer, block_size = backbone.config.n_layer, backbone.config.block_size
    module = Decoder(backbone).eval()
    axes = {**AXES, "past": [PAST_AXES] * (2 * n_layer)}
    limits = {"tokens": block_size}
    write_graph(module, module.inputs(2, 3, 4), axes, limits, names(n_layer), file)


class DecoderSession:
    """A backbone in ONNX Runtime, on the CPU.

    Args:
        file: written by `write_decoder`.
        backbone: that it was made of.
    """

    def __init__(self, file: Path, backbone: GPT) -> None:
        self.session = open_session(file, n_cores())
        self.config = backbone.config
        self.names = names(self.config.n_layer)[0]

    def run(self, inputs: dict[str, Any]) -> list[NDArray[np.float32]]:
        """Return the outputs of the graph, given its inputs as `Decoder.inputs`."""
        flat = [inputs["input_ids"], inputs["attention_mask"], *inputs["past"]]
        feeds = {name: np.asarray(value) for name, value in zip(self.names, flat, strict=True)}
        outputs: list[NDArray[np.float32]] = self.session.run(None, feeds)
        return outputs

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the logits of a row of tokens, (T, vocab_size)."""
        logits: NDArray[np.float32] = self.run(self._inputs(ids, self._empty()))[0][0]
        return logits

    def generate(self, ids: Sequence[int], n_new: int) -> list[int]:
        """Return the likeliest next tokens, one after another."""
        past, new, found = self._empty(), [*ids], [*ids]
        for _ in range(n_new):
            logits, *past = self.run(self._inputs(new, past, len(found)))
            new = [int(logits[0, -1].argmax())]
            found += new
        return found[len(ids) :]

    def _empty(self) -> list[NDArray[np.float32]]:
        shape = (1, self.config.kv_heads, 0, self.config.head_width)
        return [np.zeros(shape, np.float32)] * (2 * self.config.n_layer)

    def _inputs(
        self, ids: Sequence[int], past: list[NDArray[np.float32]], n: int | None = None
    ) -> dict[str, Any]:
        mask = np.ones((1, n or len(ids)), np.int64)
        return {"input_ids": np.array([ids], np.int64), "attention_mask": mask, "past": past}


def check_decoder(backbone: GPT, session: DecoderSession) -> float:
    """Return the maximum difference of a graph's output from torch's, on random inputs.

    Raises:
        RunError: it exceeds the tolerance.
    """
    module = Decoder(backbone).eval()
    worst = 0.0
    block_size = backbone.config.block_size
    for n_rows, n_new, n_past in (*CHECKED, (1, block_size, 0)):
        if n_new + n_past <= block_size:
            inputs = module.inputs(n_rows, n_new, n_past)
            with torch.inference_mode():
                expected = module(**inputs)
            worst = max(worst, max_difference(expected, session.run(inputs)))
    return check_difference(worst, "The ONNX graph")


def _in_turn(keys: Sequence[Tensor], values: Sequence[Tensor]) -> Iterator[Tensor]:
    for pair in zip(keys, values, strict=True):
        yield from pair
