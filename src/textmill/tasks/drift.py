"""The step that measures the drift of new text from the training corpus."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textmill import model as models
from textmill.config import DriftStepConfig
from textmill.corpus.cleaning.new_text import choose_texts
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.corpus.tokens.token_shards import read_index, read_shards, write_shards
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.evaluation.shift import label_shift, rare_share, share_shift
from textmill.files import read_json, write_json
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.predictions import PREDICTIONS
from textmill.training.likelihood import document_nll, language_metrics, packed


def measure_drift(config: DriftStepConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write metrics of new text and of the validation split to metrics.json.

    Documents that cleaning rejects are only counted, as are all if they are too few.

    Args:
        config: location of the new text, and how it is cleaned.
        inputs: `backbone`, `tokens` and `language` (the backbone's evaluation), and for each task
            of the section `model TASK` and `evaluation TASK`: folders of those steps.
        out: an empty folder.

    Raises:
        InputError: the new text cannot be read, or the machine lacks the device.
    """
    new = choose_texts(config.drift, config.corpus)
    texts = new.texts
    metrics: dict[str, float] = {"documents": len(texts), "documents_dropped": new.n_rejected}
    if len(texts) >= config.drift.min_documents:
        metrics |= _language_measures(config, inputs, texts)
        for name in config.drift.tasks:
            metrics[f"label_shift/{name}"] = _task_shift(config, inputs, name, texts)
    write_json(out / "metrics.json", metrics)


def _language_measures(
    config: DriftStepConfig, inputs: Mapping[str, Path], texts: Sequence[str]
) -> dict[str, float]:
    """Return metrics of the texts under the backbone and its tokenizer."""
    device = models.choose_device(config.accelerator, "pretrain")
    network = models.load(inputs["backbone"]).to(device)
    index = read_index(inputs["tokens"])
    vocab_size = index["vocab_size"]
    encodings = load_tokenizer(inputs["backbone"]).encode_batch_fast(list(texts))
    with tempfile.TemporaryDirectory() as folder:
        ids = [encoding.ids for encoding in encodings]
        write_shards(Path(folder), ids, np.dtype(index["dtype"]))
        blocks = PackedBlocks(Path(folder), network.config.block_size)
        nll, counts = document_nll(network, packed(blocks), len(texts))
    n_targets = int(counts.sum())
    n_bytes = sum(len(text.encode()) for text in texts)
    metrics = language_metrics(nll.sum() / n_targets, n_targets / n_bytes)
    known = read_json(inputs["language"] / "metrics.json")["bits_per_byte"]
    training = _token_counts(inputs["tokens"] / "train", vocab_size)
    rare = rare_share(
        np.bincount(np.concatenate(ids), minlength=vocab_size), training, config.drift.rare_count
    )
    held_out = _token_counts(inputs["tokens"] / "validation", vocab_size)
    known_rare = rare_share(held_out, training, config.drift.rare_count)
    return metrics | {
        "validation_bits_per_byte": known,
        "bits_ratio": metrics["bits_per_byte"] / known,
        "rare_share": rare,
        "validation_rare_share": known_rare,
        "rare_increase": rare - known_rare,
    }


def _token_counts(split: Path, vocab_size: int) -> NDArray[np.int64]:
    """Return the count of each token in the documents of a split, without END tokens."""
    total = np.zeros(vocab_size, np.int64)
    for shard in read_shards(split):
        total += np.bincount(shard.ids, minlength=vocab_size)
        total -= np.bincount(shard.ids[shard.starts - 1], minlength=vocab_size)
        total[shard.ids[-1]] -= 1  # the END after the last document
    return total


def _task_shift(
    config: DriftStepConfig, inputs: Mapping[str, Path], name: str, texts: Sequence[str]
) -> float:
    """Return the shift of predicted labels from the test examples to the texts."""
    with (inputs[f"evaluation {name}"] / PREDICTIONS).open(encoding="utf-8") as rows:
        known = [json.loads(row) for row in rows]
    predictor = load_predictor(inputs[f"model {name}"], config.accelerator)
    new = list(predictor.stream(texts))
    if "label" in known[0]:
        return label_shift([row["label"] for row in new], [row["label"] for row in known])
    sides = ([[one["label"] for one in row["labels"]] for row in rows] for rows in (new, known))
    return share_shift(*sides)
