"""The step that measures a backbone as a language model and lets it write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from textmill import model as models
from textmill.config import GenerationConfig
from textmill.corpus.packing import PackedBlocks
from textmill.corpus.tokenizer import load_tokenizer
from textmill.corpus.tokens import read_index, read_shards
from textmill.files import write_json
from textmill.training.batches import Batches, in_order, to_tensors
from textmill.training.pretrain import language_metrics, sum_nll
from textmill.training.writing import write_text

BATCH_BLOCKS = 8
"""Blocks read at once: their logits are large, and more at once (32) was no faster."""


def evaluate_lm(config: GenerationConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the loss on the whole validation split, and sample texts.

    Args:
        config: prompts and sampling.
        inputs: `backbone` and `tokens`, folders of those steps.
        out: an empty folder.
    """
    network = models.load(inputs["backbone"])
    blocks = PackedBlocks(inputs["tokens"] / "validation", network.config.block_size)
    batches = Batches(
        in_order(len(blocks), BATCH_BLOCKS), lambda rows: to_tensors(blocks.rows(rows))
    )
    with torch.inference_mode():
        nll, n_targets = sum_nll(network, batches)
    n_bytes = read_index(inputs["tokens"])["validation"]["bytes"]
    metrics = language_metrics(nll / n_targets, n_targets / n_bytes)
    metrics["val_loss"] = metrics.pop("loss")
    simple = language_metrics(unigram_loss(inputs["tokens"]), n_targets / n_bytes)
    simple["val_loss"] = simple.pop("loss")
    metrics |= {f"unigram/{name}": value for name, value in simple.items()}
    write_json(out / "metrics.json", metrics | {"validation_targets": n_targets})

    tokenizer = load_tokenizer(inputs["backbone"])
    samples = [
        f"{prompt}{''.join(write_text(network, tokenizer, prompt, config))}"
        for prompt in config.prompts
    ]
    write_json(out / "samples.json", samples)


def unigram_loss(tokens: Path) -> float:
    """Return the loss (nats per token) of guessing by token frequency, the baseline of the task.

    Frequencies are counted on the training split, each token once more than it occurs.
    """
    vocab_size = read_index(tokens)["vocab_size"]

    def count(split: str) -> NDArray[np.int64]:
        # The END that opens a shard is no target.
        shards = read_shards(tokens / split)
        counts = [np.bincount(shard.ids[1:], minlength=vocab_size) for shard in shards]
        total: NDArray[np.int64] = np.sum(counts, axis=0)
        return total

    seen = count("train") + 1
    held_out = count("validation")
    return float(-(held_out @ np.log(seen / seen.sum())) / held_out.sum())
