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
from textmill.corpus.tokens.token_shards import Labels, Shard, read_index, read_labels, read_shards
from textmill.corpus.tokens.tokenizer import SPECIAL_TOKENS, load_tokenizer
from textmill.files import write_atomic, write_json
from textmill.tasks.language_model.metrics import BITS_PER_BYTE, DOCUMENTS
from textmill.training.likelihood import document_nll, language_metrics, packed
from textmill.training.writing import write_texts

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def evaluate_lm(config: LanguageModelStepConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the loss on the validation split and of each of its documents, and sampled texts.

    With documents in several languages, there are also the bits per byte of each.

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
    languages = read_labels(inputs["tokens"] / "validation", "language")
    lines = [
        json.dumps({"bytes": n_bytes, "targets": n_targets, "nll": nll, "language": tag})
        for nll, (n_bytes, n_targets), tag in zip(
            losses.tolist(), sizes.tolist(), languages.of_documents, strict=True
        )
    ]
    write_atomic(out / DOCUMENTS, "".join(f"{line}\n" for line in lines).encode())
    n_targets = int(sizes[:, 1].sum())
    n_bytes = read_index(inputs["tokens"])["validation"]["bytes"]
    metrics: dict[str, float] = {}
    for prefix, of_documents in (("", losses), ("unigram/", unigram_nll(inputs["tokens"]))):
        found = language_metrics(float(of_documents.sum()) / n_targets, n_targets / n_bytes)
        found["val_loss"] = found.pop("loss")
        found |= bits_by_language(of_documents, sizes[:, 0], languages)
        metrics |= {f"{prefix}{name}": value for name, value in found.items()}
    write_json(out / "metrics.json", metrics | {"validation_targets": n_targets})

    samples = [
        f"{prompt}{text}"
        for prompt in config.prompts
        for text in write_texts(network, tokenizer, prompt, config)
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


def unigram_nll(tokens: Path) -> NDArray[np.float64]:
    """Return the loss of each validation document by the unigram model, in nats.

    It is the trivial baseline: the frequencies of tokens in the training split, with one added.
    """
    vocab_size = read_index(tokens)["vocab_size"]
    seen = np.ones(vocab_size, np.int64)
    for shard in read_shards(tokens / "train"):
        seen += np.bincount(
            shard.ids[1:], minlength=vocab_size
        )  # the END at the start is no target
    nll = -np.log(seen / seen.sum())
    shards = read_shards(tokens / "validation")
    return np.concatenate([np.add.reduceat(nll[shard.ids], shard.starts) for shard in shards])


def bits_by_language(
    nll: NDArray[np.float64], n_bytes: NDArray[np.int64], languages: Labels
) -> dict[str, float]:
    """Return the bits per byte of documents in each language, by metric; of one language none.

    Args:
        nll: (documents,), the loss of each, in nats.
        n_bytes: (documents,), the size of each.
        languages: of the documents.
    """
    if len(languages.names) == 1:
        return {}
    totals = [np.bincount(languages.numbers, of_documents) for of_documents in (nll, n_bytes)]
    return {
        f"{BITS_PER_BYTE}/{tag}": bits / size
        for tag, bits, size in zip(languages.names, totals[0] / np.log(2), totals[1], strict=True)
        if size
    }
