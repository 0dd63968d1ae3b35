"""The ONNX form of tagging: a graph from windows to the logits of tokens, and tags' probabilities.

The head is linear, so that the logits of a word are the mean of its tokens' logits, plus a part
that its spelling adds: a sum of rows of a table. These, and the random field, are left to NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textmill.tasks.portable.padding import run_in_batches, softmax
from textmill.tasks.portable.protocols import Arrays, Run
from textmill.tasks.tagging.answers import Prepared
from textmill.tasks.tagging.examples import Spec
from textmill.tasks.tagging.random_field.lattice import Lattice
from textmill.tasks.tagging.windows import read_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor, nn

    from textmill.tasks.tagging.network import Tagger

AXES: Mapping[str, Mapping[int, str]] = {}
OUTPUT = (
    "logits (rows, tokens, tags); those of a word are the mean of its tokens'. "
    "constants.safetensors has what its spelling adds to them (spelling, a row for each feature) "
    "and the scores of pairs of tags (transitions, from and to)"
)


def logits(network: Tagger, hidden: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the logits of each token, (B, T, tags)."""
    import torch.nn.functional as F

    return F.linear(hidden, network.head.weight[:, : hidden.size(-1)], network.head.bias)


def further_inputs(network: nn.Module, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return no further inputs."""
    return {}


def constants(network: Tagger) -> dict[str, Tensor]:
    """Return the table of spelling, (rows, tags), and the transitions, (tags, tags)."""
    import torch.nn.functional as F

    from textmill.tasks.tagging.network import SPELLING_SCALE

    found: dict[str, Tensor] = {}
    if network.spelling is not None:
        of_spelling = network.head.weight[:, network.backbone.config.n_embd :]
        found["spelling"] = SPELLING_SCALE * F.linear(network.spelling.weight, of_spelling)
    if network.crf is not None:
        found["transitions"] = network.crf.pairs
    return found


def score(
    run: Run,
    constants: Arrays,
    tokenizer: Tokenizer,
    spec: Spec,
    prepared: Sequence[Prepared],
    block_size: int,
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of the tags of each text's words, (words, tags)."""
    read = [
        read_words(tokenizer, spec, item.words, item.predicate, block_size) for item in prepared
    ]
    outputs = run_in_batches(run, [ids for windows, _ in read for ids, _ in windows])
    for windows, features in read:
        sums = np.zeros((len(features), len(spec.labels)))
        counts = np.zeros(len(features))
        for _, owners in windows:
            words = np.asarray(owners)
            is_owned = words >= 0
            np.add.at(sums, words[is_owned], next(outputs)[: len(words)][is_owned])
            np.add.at(counts, words[is_owned], 1)
        means = sums / np.maximum(counts, 1)[:, None]
        if "spelling" in constants:
            means += constants["spelling"][features].sum(axis=1)
        yield _probabilities(means, constants.get("transitions"), spec.labels)


def _probabilities(
    logits: NDArray[np.float64], transitions: NDArray[Any] | None, tags: tuple[str, ...]
) -> NDArray[np.float32]:
    """Return the probability of each tag of each word, given the whole text."""
    if transitions is None or not len(logits):
        return softmax(logits) if len(logits) else logits.astype(np.float32)
    sums = Lattice([len(logits)]).sums(logits, transitions, tags)  # in the order of the words
    return sums.marginals.astype(np.float32)
