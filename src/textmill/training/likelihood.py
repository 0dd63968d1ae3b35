"""The likelihood of text under a language model: loss of documents, and derived metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from textmill.corpus.tokens.packing import PackedBlocks
from textmill.model import GPT
from textmill.training.batches import Batches, in_order, to_device, to_tensors
from textmill.training.objectives import Batch, token_nll

BATCH_BLOCKS = 8
"""Batch size in blocks: logits are large, and a larger batch (32) was no faster."""


def packed(
    blocks: PackedBlocks, batch_size: int = BATCH_BLOCKS, chosen: Sequence[int] | None = None
) -> Batches:
    """Return batches of packed blocks, either all or the chosen ones."""
    indices = range(len(blocks)) if chosen is None else chosen
    rows = [[indices[i] for i in batch] for batch in in_order(len(indices), batch_size)]
    return Batches(rows, lambda indices: to_tensors(blocks.rows(indices)))


@torch.inference_mode()
def document_nll(
    network: GPT, batches: Iterable[Batch], n_documents: int, is_causal: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return negative log-likelihood and number of targets of every document in packed blocks.

    Args:
        network: the model.
        batches: packed blocks, on the CPU.
        n_documents: number of documents in the split.
        is_causal: whether attention is causal.

    Returns:
        Summed negative log-likelihood (nats) and targets of every document, (n_documents,) each.
    """
    nll, counts = np.zeros(n_documents), np.zeros(n_documents, np.int64)
    for cpu_batch in batches:
        batch = to_device(cpu_batch, network.device)
        logits = network(batch["input_ids"], batch["documents"], is_causal)
        losses = token_nll(logits, batch["targets"])[batch["loss_mask"]].double().cpu().numpy()
        documents = cpu_batch["documents"][cpu_batch["loss_mask"]].numpy()
        nll += np.bincount(documents, losses, n_documents)
        counts += np.bincount(documents, minlength=n_documents)
    return nll, counts


def language_metrics(loss: float, targets_per_byte: float, prefix: str = "") -> dict[str, float]:
    """Return loss (nats per token), perplexity, and bits per byte of text.

    Bits per byte do not depend on the tokenizer, so they compare models with different ones.
    """
    return {
        f"{prefix}loss": loss,
        f"{prefix}perplexity": math.exp(min(loss, 700.0)),
        f"{prefix}bits_per_byte": loss * targets_per_byte / math.log(2),
    }
