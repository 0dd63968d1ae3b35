"""What text costs a language model: the loss of documents in packed blocks, and its measures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from textmill.corpus.tokens.packing import PackedBlocks
from textmill.model import GPT
from textmill.training.batches import Batches, in_order, to_tensors
from textmill.training.objectives import Batch, token_nll

BATCH_BLOCKS = 8
"""Blocks read at once: their logits are large, and more at once (32) was no faster."""


def packed(
    blocks: PackedBlocks, batch_size: int = BATCH_BLOCKS, chosen: Sequence[int] | None = None
) -> Batches:
    """Return packed blocks, all of them or those chosen, in batches."""
    indices = range(len(blocks)) if chosen is None else chosen
    rows = [[indices[i] for i in batch] for batch in in_order(len(indices), batch_size)]
    return Batches(rows, lambda indices: to_tensors(blocks.rows(indices)))


@torch.inference_mode()
def document_nll(
    network: GPT, batches: Iterable[Batch], n_documents: int, is_causal: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return what the documents of packed blocks cost a model, and how many targets they have.

    Args:
        network: the model.
        batches: packed blocks, on the CPU.
        n_documents: of the split that the blocks are from.
        is_causal: whether a token sees only those before it.

    Returns:
        Summed negative log-likelihood (nats) and targets of every document, (n_documents,) each.
    """
    device = network.wte.weight.device
    nll, counts = np.zeros(n_documents), np.zeros(n_documents, np.int64)
    for cpu_batch in batches:
        batch = {name: tensor.to(device) for name, tensor in cpu_batch.items()}
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
