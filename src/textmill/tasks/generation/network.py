"""The network of generation: that of translation, which writes a response instead.

The prompt is a prefix that is read in both directions, the loss is on the response alone, and words
of the prompt can be copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from textmill.tasks.generation.chat_template import save_tokenizer
from textmill.tasks.translation.examples import Example, Spec
from textmill.tasks.translation.network import (
    CAN_BE_RECURRENT,
    EPOCHS_WITHOUT_DROPOUT,
    MAX_TRAINING_WINDOWS,
    SEEN_EXAMPLES,
    Encoded,
    Translator,
    build,
    collate,
    encode,
    loss,
    score,
    target_nll,
    validate,
)
from textmill.training.batches import longest_first, to_device

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = [
    "CAN_BE_RECURRENT",
    "EPOCHS_WITHOUT_DROPOUT",
    "MAX_TRAINING_WINDOWS",
    "SEEN_EXAMPLES",
    "build",
    "collate",
    "encode",
    "likelihood",
    "loss",
    "save_tokenizer",
    "score",
    "validate",
]

BATCH_TOKENS = 2048
"""Maximum tokens of a batch whose likelihoods are computed, padding included."""


def likelihood(
    network: Translator, tokenizer: Tokenizer, spec: Spec, examples: Sequence[Example]
) -> list[dict[str, float]]:
    """Return for each reference its negative log-likelihood, `nll`, and its number of `tokens`.

    The tokens are those that are learned from: the response and its end, as far as they fit into
    the context.
    """
    encoded = encode(tokenizer, spec, examples, network.backbone.config.block_size)
    rows: list[dict[str, float]] = [{} for _ in examples]
    for batch in longest_first([len(example.ids) for example in encoded], BATCH_TOKENS):
        nll, counts = _score_batch(network, [encoded[index] for index in batch])
        for index, value, count in zip(batch, nll, counts, strict=True):
            rows[index] = {"nll": value, "tokens": count}
    return rows


@torch.inference_mode()
def _score_batch(network: Translator, examples: Sequence[Encoded]) -> tuple[list[float], list[int]]:
    """Return the negative log-likelihood of each response, in nats, and its number of tokens."""
    batch = to_device(collate(examples), network.backbone.device)
    is_target = batch["loss_mask"]
    nll = torch.zeros_like(is_target, dtype=torch.float64)
    nll[is_target] = target_nll(network, batch).double()
    return nll.sum(dim=1).tolist(), is_target.sum(dim=1).tolist()
