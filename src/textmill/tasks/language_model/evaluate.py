"""The step that evaluates a backbone as a language model and samples text from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textmill import model as models
from textmill.config import LanguageModelStepConfig
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.corpus.tokens.token_shards import Shard, read_index, read_shards
from textmill.corpus.tokens.tokenizer import SPECIAL_TOKENS, load_tokenizer
from textmill.files import write_atomic, write_json
from textmill.tasks.language_model.metrics import DOCUMENTS
from textmill.training.likelihood import document_nll, language_metrics, packed
from textmill.training.writing import stream_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def evaluate_lm(config: LanguageModelStepConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the loss on the validation split and of each of its documents, and sampled texts.

    Args:
        config: prompts and sampling, and the accelerator.
        inputs: `backbone` and `tokens`, folders of those steps.
        out: an empty folder.

    Raises:
        InputError: the machine lacks the device.
    """
    device = models.choose_device(config.accelerator, "pretrain")
    network = models.load(inputs["backbone"]).to(device)
    tokenizer = load_tokenizer(inputs["backbone"])
    blocks = PackedBlocks(inputs["tokens"] / "validation", network.config.block_size)
    sizes = document_sizes(blocks.shards, tokenizer)
    losses, _ = document_nll(network, packed(blocks), len(sizes))
    lines = [
        json.dumps({"bytes": n_bytes, "targets": n_targets, "nll": nll})
        for nll, (n_bytes, n_targets) in zip(losses.tolist(), sizes.tolist(), strict=True)
    ]
    write_atomic(out / DOCUMENTS, "".join(f"{line}\n" for line in lines).encode())
    nll, n_targets = float(losses.sum()), int(sizes[:, 1].sum())
    n_bytes = read_index(inputs["tokens"])["validation"]["bytes"]
    metrics = language_metrics(nll / n_targets, n_targets / n_bytes)
    metrics["val_loss"] = metrics.pop("loss")
    simple = language_metrics(unigram_loss(inputs["tokens"]), n_targets / n_bytes)
    simple["val_loss"] = simple.pop("loss")
    metrics |= {f"unigram/{name}": value for name, value in simple.items()}
    write_json(out / "metrics.json", metrics | {"validation_targets": n_targets})

    samples = [
        f"{prompt}{''.join(stream_text(network, tokenizer, prompt, config))}"
        for prompt in config.prompts
    ]
    write_json(out / "samples.json", samples)


def document_sizes(shards: Sequence[Shard], tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Return the numbers of bytes and targets of every document, (documents, 2).

    The spelling of a byte-level token has one character per byte.
    """
    spelling = [tokenizer.id_to_token(i) or "" for i in range(tokenizer.get_vocab_size())]
    n_bytes = np.array([len(token) for token in spelling])
    n_bytes[: len(SPECIAL_TOKENS)] = 0
    sizes = []
    for shard in shards:
        counts = np.add.reduceat(n_bytes[shard.ids], shard.starts)
        sizes.append(np.stack([counts, shard.lengths], axis=1))
    return np.concatenate(sizes)


def unigram_loss(tokens: Path) -> float:
    """Return the validation loss of the unigram model, in nats per token: the trivial baseline.

    Token frequencies are those of the training split, with add-one smoothing.
    """
    vocab_size = read_index(tokens)["vocab_size"]

    def count(split: str) -> NDArray[np.int64]:
        # The END at the start of a shard is not a target.
        shards = read_shards(tokens / split)
        counts = [np.bincount(shard.ids[1:], minlength=vocab_size) for shard in shards]
        total: NDArray[np.int64] = np.sum(counts, axis=0)
        return total

    seen = count("train") + 1
    held_out = count("validation")
    return float(-(held_out @ np.log(seen / seen.sum())) / held_out.sum())
