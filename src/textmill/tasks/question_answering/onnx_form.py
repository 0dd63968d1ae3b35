"""The ONNX form of question answering: a graph to the logits of units, and their probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textmill.tasks.portable.padding import pad_rows, softmax
from textmill.tasks.portable.protocols import ROWS, Arrays, Run
from textmill.tasks.question_answering.answers import Prepared
from textmill.tasks.question_answering.examples import Spec
from textmill.tasks.question_answering.overlap import PADDING, overlap_rows
from textmill.tasks.question_answering.windows import N_ROWS, read_question

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor, nn

    from textmill.tasks.question_answering.network import AnswerFinder

AXES = {"words": ROWS, "features": {0: "units"}}
OUTPUT = (
    "logits (units, 2), to be the first and the last word of the answer. The units are the words "
    'of the context, then "no answer"; words (rows, tokens) numbers the unit of each token, -1 for '
    "none, and features (units, features) are those of textmill's overlap_rows"
)


def logits(network: AnswerFinder, hidden: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the logits of all units, (N, 2)."""
    import torch

    words, features = inputs["words"], inputs["features"]
    n_units = features.size(0)
    # Tokens of no unit are added up in a row of their own, which is left out.
    owners = torch.where(words >= 0, words, n_units).flatten()
    tokens = hidden.flatten(0, 1)
    sums = tokens.new_zeros(n_units + 1, tokens.size(1)).index_add(0, owners, tokens)
    counts = tokens.new_zeros(n_units + 1).index_add(0, owners, torch.ones_like(tokens[:, 0]))
    states = (sums / counts.clamp(min=1).unsqueeze(1))[:n_units]
    rows = network.features.weight[features]
    overlap = (rows * (features != PADDING).unsqueeze(-1)).sum(dim=1)
    found: Tensor = network.head(torch.cat([states, overlap], dim=1))
    return found


def further_inputs(network: AnswerFinder, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return random words and features."""
    import torch

    mask = rows["attention_mask"]
    words = torch.arange(mask.numel()).view(mask.shape) // 2
    is_word = mask * (torch.rand(mask.shape) < 0.9) > 0
    n_features = overlap_rows(network.spec, (), ("",), N_ROWS, is_lexical=False).shape[1]
    return {
        "words": torch.where(is_word, words, -1),
        "features": torch.randint(N_ROWS, (int(words.max()) + 1, n_features)),
    }


def constants(network: nn.Module) -> dict[str, Tensor]:
    """Return nothing: the logits are all."""
    return {}


def score(
    run: Run,
    constants: Arrays,
    tokenizer: Tokenizer,
    spec: Spec,
    prepared: Sequence[Prepared],
    block_size: int,
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities to be the first and the last word of each answer, (2, words + 1)."""
    for item in prepared:
        windows, features, _ = read_question(tokenizer, spec, item, block_size)
        inputs = pad_rows([ids for ids, _ in windows])
        words = np.full(inputs["input_ids"].shape, -1, np.int64)
        words[inputs["attention_mask"] > 0] = [
            *chain.from_iterable(owners for _, owners in windows)
        ]
        found = run(inputs | {"words": words, "features": features.astype(np.int64)})
        if not spec.has_no_answer and len(found) > 1:
            found[-1] = -np.inf
        yield softmax(found.T)
