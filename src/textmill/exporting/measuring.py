"""What an exported model loses and gains, measured beside the model that it was made of."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from textmill.config import GenerationConfig, GenerationPrecision, TaskConfig
from textmill.corpus.tokens.token_shards import read_shards
from textmill.corpus.tokens.tokenizer import SPECIAL_TOKENS, load_tokenizer
from textmill.evaluation.metrics import leading
from textmill.model import GPT
from textmill.model.generation import generate, prepare
from textmill.model.layout import read_config
from textmill.tasks.ensemble.example_rows import predict_examples
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.kinds import definitions, examples_of
from textmill.tasks.predictions import score

MAX_DOCUMENTS = 100
"""Maximum validation documents, of which the beginnings are scored."""
MAX_EXAMPLES = 1000
"""Maximum test examples."""
PROMPT_TOKENS, NEW_TOKENS = 32, 64
"""Tokens of the prompt and of its continuation whose time is measured."""
REPEATS = 3
"""The fastest one counts."""


@dataclass(frozen=True)
class Measured:
    """A figure of the original and of the exported model."""

    name: str
    original: float | None
    """None: it is a comparison of both."""
    exported: float


class Generator(Protocol):
    """A language model in any library."""

    def logits(self, ids: Sequence[int]) -> NDArray[Any]:
        """Return the logits of a row of tokens, (T, vocab_size)."""

    def generate(self, ids: Sequence[int], n_new: int) -> list[int]:
        """Return that many likeliest next tokens, one after another."""


class TorchGenerator:
    """A backbone of textmill, on the CPU.

    Args:
        backbone: that computes logits, with 32 bits.
        precision: of the weights with which it generates, as `textmill generate` does.
    """

    def __init__(self, backbone: GPT, precision: GenerationPrecision = "32") -> None:
        self.backbone = backbone
        self.prepared = prepare(deepcopy(backbone), precision)

    @torch.inference_mode()
    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the logits of a row of tokens, (T, vocab_size)."""
        rows: NDArray[np.float32] = self.backbone(torch.tensor([[*ids]]))[0].numpy()
        return rows

    def generate(self, ids: Sequence[int], n_new: int) -> list[int]:
        """Return that many likeliest next tokens, one after another."""
        config = GenerationConfig(max_new_tokens=n_new, temperature=0)
        return [int(token) for token in generate(self.prepared, torch.tensor([[*ids]]), config)]


def compare_generators(
    original: Generator, exported: Generator, rows: Sequence[Sequence[int]], backbone: Path
) -> list[Measured]:
    """Return bits per byte, equal next tokens, and speed.

    Args:
        original: the model.
        exported: the other one.
        rows: tokens of held-out documents, from `held_out_rows`.
        backbone: folder of the model.
    """
    n_bytes = _bytes_of_tokens(backbone)
    size = sum(int(n_bytes[[*row[1:]]].sum()) for row in rows)
    bits = [0.0, 0.0]
    n_equal = n_targets = 0
    for row in rows:
        both = [model.logits(row[:-1]) for model in (original, exported)]
        for number, logits in enumerate(both):
            bits[number] += _nll(logits, row[1:]) / math.log(2)
        n_equal += int((both[0].argmax(axis=-1) == both[1].argmax(axis=-1)).sum())
        n_targets += len(row) - 1
    block_size = read_config(backbone).block_size
    prompt = rows[0][: min(PROMPT_TOKENS, block_size // 2)]
    n_new = min(NEW_TOKENS, block_size - len(prompt))
    seconds = [_fastest(partial(m.generate, prompt, n_new)) for m in (original, exported)]
    return [
        Measured("bits per byte", bits[0] / max(1, size), bits[1] / max(1, size)),
        Measured("equal next tokens", None, n_equal / n_targets),
        Measured("tokens per second", n_new / seconds[0], n_new / seconds[1]),
    ]


def held_out_rows(tokens: Path, block_size: int) -> list[list[int]]:
    """Return the beginnings of validation documents, from the END before each.

    Args:
        tokens: folder of the step.
        block_size: the context of the model.
    """
    rows: list[list[int]] = []
    for shard in read_shards(tokens / "validation"):
        for start, length in zip(shard.starts.tolist(), shard.lengths.tolist(), strict=True):
            rows.append(shard.ids[start - 1 : start + min(length, block_size)].tolist())
            if len(rows) == MAX_DOCUMENTS:
                return rows
    return rows


def random_rows(vocab_size: int, block_size: int) -> list[list[int]]:
    """Return rows of random tokens, where no documents are at hand."""
    ids = np.random.default_rng(0).integers(vocab_size, size=(8, block_size + 1))
    return [[int(token) for token in row] for row in ids]


def compare_predictors(
    config: TaskConfig, original: Predictor, exported: Predictor, examples: Sequence[Any]
) -> list[Measured]:
    """Return the leading metric, equal answers, and speed, on labelled examples."""
    kind = examples_of(config.kind)
    rows, seconds = [], []
    for predictor in (original, exported):
        predict_examples(kind, predictor, examples[:32])  # what is loaded at first is not counted
        start = time.perf_counter()
        rows.append(predict_examples(kind, predictor, examples))
        seconds.append(time.perf_counter() - start)
    metric = leading(definitions(config.kind)).name
    scores = [score(config, found)[metric] for found in rows]
    n_equal = sum(_answer(one) == _answer(other) for one, other in zip(*rows, strict=True))
    n = len(examples)
    return [
        Measured(metric.replace("_", " "), *scores),
        Measured("equal answers", None, n_equal / n),
        Measured("inputs per second", n / seconds[0], n / seconds[1]),
    ]


def sizes(original: Sequence[Path], exported: Path) -> Measured:
    """Return the sizes of weights in MiB: of some files, and of all in a folder."""
    suffixes = (".safetensors", ".onnx", ".data", ".bin")
    files = [file for file in exported.rglob("*") if file.suffix in suffixes]
    before, after = (sum(file.stat().st_size for file in of) / 2**20 for of in (original, files))
    return Measured("weights in MiB", before, after)


def table(measured: Sequence[Measured]) -> str:
    """Return figures as a table in Markdown."""
    lines = ["| | textmill | exported |", "|---|---|---|"]
    for one in measured:
        before = "" if one.original is None else f"{one.original:.4g}"
        lines.append(f"| {one.name} | {before} | {one.exported:.4g} |")
    return "".join(f"{line}\n" for line in lines)


def _answer(row: Any) -> Any:
    """Return what a row of predictions says, without probabilities."""
    if isinstance(row, Mapping):
        return {key: _answer(value) for key, value in row.items()}
    if isinstance(row, list | tuple):
        return [_answer(value) for value in row]
    return None if isinstance(row, float) else row


def _nll(logits: NDArray[Any], targets: Sequence[int]) -> float:
    """Return the negative log-likelihood of tokens, in nats."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    right = wide[np.arange(len(targets)), targets]
    return float((np.log(np.exp(wide).sum(axis=-1)) - right).sum())


def _bytes_of_tokens(backbone: Path) -> NDArray[np.int64]:
    """Return the number of bytes of each token; its spelling has one character per byte."""
    tokenizer, n_ids = load_tokenizer(backbone), read_config(backbone).vocab_size or 0
    spelling = (tokenizer.id_to_token(i) or "" for i in range(n_ids))
    n_bytes = np.array([len(token) for token in spelling])
    n_bytes[: len(SPECIAL_TOKENS)] = 0
    return n_bytes


def _fastest(work: Callable[[], object]) -> float:
    """Return the shortest time of several runs, in seconds."""

    def times() -> Iterator[float]:
        for _ in range(REPEATS + 1):
            start = time.perf_counter()
            work()
            yield time.perf_counter() - start

    return min([*times()][1:])
