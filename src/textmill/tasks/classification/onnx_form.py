"""The ONNX form of classification: a graph from windows to logits, and their probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textmill.tasks.classification.answers import Texts
from textmill.tasks.classification.examples import Spec
from textmill.tasks.classification.windows import split_texts
from textmill.tasks.portable.padding import run_in_batches, softmax
from textmill.tasks.portable.protocols import Arrays, Run

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor, nn

    from textmill.tasks.classification.network import Classifier

AXES: Mapping[str, Mapping[int, str]] = {}
OUTPUT = (
    "logits (rows, labels); those of a text longer than the context are the mean of its rows', "
    "weighted by their numbers of tokens"
)


def logits(network: Classifier, hidden: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the logits of each window, (B, labels)."""
    is_token = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    found: Tensor = network.head((hidden * is_token).sum(dim=1) / is_token.sum(dim=1))
    return found


def further_inputs(network: nn.Module, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return no further inputs."""
    return {}


def constants(network: nn.Module) -> dict[str, Tensor]:
    """Return nothing: the logits are all."""
    return {}


def score(
    run: Run,
    constants: Arrays,
    tokenizer: Tokenizer,
    spec: Spec,
    prepared: Sequence[Texts],
    block_size: int,
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of each text's labels, (labels,)."""
    yield from softmax(logits_of(run, tokenizer, prepared, block_size))


def logits_of(
    run: Run, tokenizer: Tokenizer, prepared: Sequence[Texts], block_size: int
) -> NDArray[np.float64]:
    """Return the logits of every text, (texts, labels): the mean of its windows', by length."""
    texts = split_texts(tokenizer, prepared, block_size)
    outputs = run_in_batches(run, [*chain.from_iterable(texts)])
    means = []
    for windows in texts:
        found = [next(outputs) for _ in windows]
        means.append(np.average(found, axis=0, weights=[len(window) for window in windows]))
    return np.array(means)
