"""The initial network of pretraining: random weights, or those of an earlier model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from textmill import model as models
from textmill.config import Config, ModelConfig, OpenModelConfig
from textmill.corpus.tokens.tokenizer import END_ID, load_tokenizer
from textmill.errors import InputError
from textmill.hub_models import CONFIG_FILE, is_hub_id, local_folder
from textmill.model import GPT
from textmill.model.layout import boundary_ids, check_sizes, family_of, read_config

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_BLOCK_SIZE = 1024
"""Maximum context length of an earlier model that is used if none is set, in tokens."""
INPUT, OUTPUT = "wte.weight", "lm_head.weight"


def with_initial_shape(config: Config) -> Config:
    """Return the configuration of a pipeline with the sizes and tokenizer of pretrain.init_from.

    Raises:
        InputError: there is no such model, or one that differs from the configuration.
        RunError: it is on the hub, which cannot be reached.
    """
    init_from, tokenizer = config.pretrain.init_from, config.tokenizer
    assert init_from is not None
    folder = local_folder(init_from, [CONFIG_FILE])
    shape = initial_shape(config.model, folder)
    if not is_hub_id(init_from):  # or else the weights are downloaded when they are needed
        check_sizes(read_config(folder), folder, family_of(folder))
    if tokenizer.vocab_size is None and tokenizer.init_from is None:
        tokenizer = tokenizer.model_copy(update={"init_from": init_from})
    return config.model_copy(update={"model": shape, "tokenizer": tokenizer})


def initial_shape(config: OpenModelConfig, init_from: Path) -> ModelConfig:
    """Return the architecture and shape of a network that begins with those of an earlier model.

    Args:
        config: if n_layer, n_head or n_embd are not set, only its sizes matter.
        init_from: folder of the earlier model.

    Raises:
        InputError: the folder has no such model, or one that differs from the configuration.
    """
    found = read_config(init_from)
    sizes = {"n_layer": config.n_layer, "n_head": config.n_head, "n_embd": config.n_embd}
    kept = {
        "block_size": config.block_size or min(found.block_size, MAX_BLOCK_SIZE),
        "dropout": config.dropout or 0.0,
        "vocab_size": config.vocab_size,
    }
    if None in sizes.values():
        shape = found.model_copy(update=kept)
        wanted = {name: size for name, size in sizes.items() if size is not None}
    else:
        shape = config.model_copy(update=kept).sized()
        wanted = {name: v for name, v in shape.explicit().items() if name not in kept}
    theirs = found.explicit()
    for name, value in wanted.items():
        if value != theirs[name]:
            raise InputError(
                f"pretrain.init_from: the model in {init_from} has {name}={theirs[name]}, not "
                f"model.{name}={value}: set model.{name}={theirs[name]}, or model=auto for all of "
                "its sizes, or start from another."
            )
    if shape.block_size > found.block_size:
        raise InputError(
            f"pretrain.init_from: the model in {init_from} has a context of {found.block_size} "
            f"tokens, and model.block_size={shape.block_size}: set it to that or less."
        )
    return shape


def initial_network(config: ModelConfig, init_from: Path | None, tokenizer: Tokenizer) -> GPT:
    """Return the network to train.

    Embeddings of an earlier network are matched by the tokens' text, so token ids may differ
    between the tokenizers; a new token is initialised with the mean embedding. The end token, which
    also begins a text, takes the place of its tokens for both.

    Args:
        config: architecture and shape, vocab_size included.
        init_from: folder of an earlier backbone with its tokenizer; None: random weights.
        tokenizer: the tokenizer to train with.

    Raises:
        InputError: the folder has no such network, or one of another shape.
    """
    if init_from is None:
        return GPT(config)
    shape = initial_shape(config, init_from)
    earlier = models.load(init_from)
    rows = _rows(load_tokenizer(init_from), tokenizer, len(earlier.wte.weight))
    first, last = boundary_ids(init_from)
    weights = earlier.state_dict()
    for name, end in ((INPUT, first), (OUTPUT, last)):
        known = rows if END_ID in rows or end is None else rows | {END_ID: end}
        weights[name] = _copy_rows(weights[name], known, config.vocab_size)
    if shape.tie_embeddings:
        weights[OUTPUT] = weights[INPUT]
    if shape.position == "learned":
        weights["wpe.weight"] = weights["wpe.weight"][: shape.block_size]
    network = GPT(shape)
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
