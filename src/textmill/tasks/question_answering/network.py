"""The network of question answering: which word an answer begins with, and which it ends with.

The network reads the question before each window of the context, with attention in both directions,
and scores each word by its hidden states and by features of its overlap with the question
(`overlap.py`), as BERT's output layer (Devlin et al. 2019, section 4.2) and the reader of Chen et
al. 2017 do. The scores of all windows of a context are normalized together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from textmill.config import UNREDACTED
from textmill.model import GPT
from textmill.tasks.question_answering.answers import Prepared, decide, first_and_last, prepare
from textmill.tasks.question_answering.examples import Example, Spec, model_input
from textmill.tasks.question_answering.overlap import PADDING
from textmill.tasks.question_answering.windows import N_ROWS, read_question
from textmill.training.batches import to_device
from textmill.training.objectives import Batch
from textmill.training.word_states import by_row, mean_states, pad_windows
from textmill.training.word_windows import Window

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CAN_BE_RECURRENT = True
"""Whether an LSTM can take the place of the backbone: only final hidden states are used."""

MAX_TRAINING_WINDOWS = math.inf
"""Maximum windows of a training example: all."""

SEEN_EXAMPLES = 60_000
"""Examples, counted as often as they are seen, of a training without a number of epochs."""
EPOCHS_WITHOUT_DROPOUT = 4
"""Maximum passes without dropout, unless it is set."""
likelihood = save_tokenizer = None
"""Its metrics need no likelihoods, and its tokenizer is that of the backbone."""

FEATURES_WIDTH = 64
"""Width of their embedding."""


@dataclass(frozen=True)
class Encoded:
    """A tokenized question and its context."""

    windows: list[Window]
    """The context in windows, each after the question."""
    features: NDArray[np.int32]
    """Rows of the features of each word, and of "no answer", (words + 1, features)."""
    targets: tuple[int, int]
    """The first and the last word of the answer; the number of words if there is none."""
    is_cut: bool
    """Whether the question was truncated."""

    @property
    def ids(self) -> list[int]:
        """The tokens of all windows."""
        return list(chain.from_iterable(ids for ids, _ in self.windows))


class AnswerFinder(nn.Module):
    """A backbone that scores each word of a context as the first and the last of the answer."""

    def __init__(self, backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> None:
        super().__init__()
        self.backbone = backbone
        backbone.lm_head = nn.Identity()  # replaced by the task head
        self.spec = spec
        self.is_causal = is_causal
        self.features = nn.EmbeddingBag(N_ROWS, FEATURES_WIDTH, mode="sum", padding_idx=PADDING)
        nn.init.zeros_(self.features.weight)  # features that training lacks have no effect
        width = backbone.config.n_embd
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(width + FEATURES_WIDTH, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, 2),
        )

    def forward(self, batch: Batch) -> Tensor:
        """Return the log-probabilities of all units of each text, (B, 2, units).

        The units are the words of the context and "no answer"; those of shorter texts are padded,
        with a log-probability of minus infinity.

        Args:
            batch: from `collate`.
        """
        states = mean_states(self.backbone, batch, len(batch["features"]), self.is_causal)
        logits = self.head(torch.cat([states, self.features(batch["features"])], dim=1)).float()
        lengths = batch["lengths"]
        rows = by_row(logits, lengths).transpose(1, 2)
        index = torch.arange(rows.size(2), device=rows.device)
        # A context without words has nothing else than "no answer".
        n_units = lengths if self.spec.has_no_answer else (lengths - 1).clamp(min=1)
        is_excluded = (index >= n_units[:, None])[:, None]
        log_p: Tensor = rows.masked_fill(is_excluded, -math.inf).log_softmax(dim=2)
        return log_p


def build(backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> AnswerFinder:
    """Return the task's network on top of a backbone."""
    return AnswerFinder(backbone, spec, dropout, is_causal)


def encode(
    tokenizer: Tokenizer, spec: Spec, examples: Sequence[Example], block_size: int
) -> list[Encoded]:
    """Return the tokenized examples; contexts are read as a whole, long questions are truncated."""
    encoded = []
    # Personal data is redacted already.
    prepared = prepare(spec, [model_input(example) for example in examples], UNREDACTED)
    for example, item in zip(examples, prepared, strict=True):
        windows, features, is_cut = read_question(tokenizer, spec, item, block_size)
        targets = first_and_last(item.passage, example)
        encoded.append(Encoded(windows, features, targets, is_cut))
    return encoded


def collate(examples: Sequence[Encoded]) -> Batch:
    """Return a batch of the windows of all examples, as from `pad_windows`.

    features, (N, F), are those of all units; targets, (B, 2), number the first and the last unit of
    each answer; n_targets, (), counts the examples.
    """
    return _batch([(example.windows, example.features) for example in examples]) | {
        "targets": torch.tensor([example.targets for example in examples]),
        "n_targets": torch.tensor(len(examples)),
    }


def loss(network: AnswerFinder, batch: Batch, label_smoothing: float) -> Tensor:
    """Return the contribution of a batch to its step's mean loss, in nats per answer.

    That is the negative log-likelihood of the first and the last word; it is not smoothed, as most
    words of a context are no candidates.
    """
    return _nll(network(batch), batch["targets"]) / batch["n_targets"]


def _nll(log_p: Tensor, targets: Tensor) -> Tensor:
    return -log_p.gather(2, targets[:, :, None]).sum()


def validate(network: AnswerFinder, batches: Iterable[Batch]) -> dict[str, float]:
    """Return the mean F1 of the positions of words, and the loss, over the batches."""
    f1 = nll = 0.0
    n = 0
    for batch in batches:
        log_p = network(batch)
        nll += float(_nll(log_p, batch["targets"]))
        rows = zip(_probabilities(log_p, batch["lengths"]), batch["targets"].tolist(), strict=True)
        for probabilities, (first, last) in rows:
            found, _ = decide(network.spec, probabilities)
            n_words = probabilities.shape[1] - 1
            f1 += _overlap_f1(found, None if first == n_words else (first, last + 1))
            n += 1
    return {"f1": f1 / n, "loss": nll / n}


def _overlap_f1(found: tuple[int, int] | None, true: tuple[int, int] | None) -> float:
    if found is None or true is None:
        return float(found == true)
    n_common = max(0, min(found[1], true[1]) - max(found[0], true[0]))
    return 2 * n_common / (found[1] - found[0] + true[1] - true[0])


def score(
    network: AnswerFinder, tokenizer: Tokenizer, spec: Spec, prepared: Sequence[Prepared]
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities to be the first and the last word of each answer, (2, words + 1)."""
    block_size = network.backbone.config.block_size
    read = [read_question(tokenizer, spec, item, block_size) for item in prepared]
    batch = _batch([(windows, features) for windows, features, _ in read])
    batch = to_device(batch, network.backbone.device)
    yield from _probabilities(network(batch), batch["lengths"])


def _probabilities(log_p: Tensor, lengths: Tensor) -> Iterator[NDArray[np.float32]]:
    rows = log_p.detach().exp().cpu().numpy()
    for row, n_units in zip(rows, lengths.tolist(), strict=True):
        yield row[:, :n_units]


def _batch(texts: Sequence[tuple[list[Window], NDArray[np.int32]]]) -> Batch:
    """Return the parts of a batch that are made of texts, as described at `collate`."""
    return pad_windows([(windows, len(features)) for windows, features in texts]) | {
        "features": torch.from_numpy(np.concatenate([features for _, features in texts]))
    }
