"""The initial network of pretraining: random weights, or those of an earlier model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from textmill import model as models
from textmill.config import ModelConfig
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.errors import InputError
from textmill.model import GPT

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def initial_network(config: ModelConfig, init_from: Path | None, tokenizer: Tokenizer) -> GPT:
    """Return the network to train.

    Embeddings of an earlier network are matched by the tokens' text, so token ids may differ
    between the tokenizers; a new token is initialised with the mean embedding.

    Args:
        config: architecture and shape, vocab_size included.
        init_from: folder of an earlier backbone with its tokenizer; None: random weights.
        tokenizer: the tokenizer to train with.

    Raises:
        InputError: the folder has no such network, or one of another shape.
    """
    if init_from is None:
        return GPT(config)
    earlier = models.load(init_from)
    wanted, found = config.model_dump(), earlier.config.model_dump()
    for key in wanted:
        if key not in ("vocab_size", "dropout") and wanted[key] != found[key]:
            raise InputError(
                f"pretrain.init_from: the model in {init_from} has {key}={found[key]}, not "
                f"model.{key}={wanted[key]}: set model.{key}={found[key]}, or start from another."
            )
    rows = _rows(load_tokenizer(init_from), tokenizer, len(earlier.wte.weight))
    weights = {
        name: _copy_rows(tensor, rows, config.vocab_size)
        if name in ("wte.weight", "lm_head.weight")
        else tensor
        for name, tensor in earlier.state_dict().items()
    }
    network = GPT(config)
    network.load_state_dict(weights)
    return network


def _rows(earlier: Tokenizer, now: Tokenizer, n_rows: int) -> dict[int, int]:
    """Return the old id of every token that both tokenizers have, by its new id."""
    known = {
        spelling: number for spelling, number in earlier.get_vocab().items() if number < n_rows
    }
    vocabulary = now.get_vocab().items()
    rows = {number: known[spelling] for spelling, number in vocabulary if spelling in known}
    if not rows:
        raise InputError(
            "pretrain.init_from: its tokenizer and that of this run have no token in common: "
            "set tokenizer.init_from to the same folder, or start from another model."
        )
    return rows


def _copy_rows(rows: Tensor, numbers: dict[int, int], vocab_size: int | None) -> Tensor:
    assert vocab_size is not None
    carried = rows.mean(0).repeat(vocab_size, 1)
    now, before = (
        torch.tensor(list(part), dtype=torch.long) for part in zip(*numbers.items(), strict=True)
    )
    carried[now] = rows[before]
    return carried
