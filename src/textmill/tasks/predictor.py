"""Prediction with task models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from textmill.config import UNREDACTED, RedactionConfig
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.model import GPT
from textmill.model.layout import check_sizes, load_state, load_weights, read_config
from textmill.tasks.kinds import network_of
from textmill.tasks.model_folder import read_task

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Predictor:
    """Predicts with a task model for texts, or other inputs of its kind of task.

    Args:
        network: in eval mode.
        tokenizer: the backbone's.
        kind: name of the kind of task.
        spec: the kind's settings of the model.
        redaction: the redaction of its training texts, applied to inputs as well.
    """

    def __init__(
        self,
        network: nn.Module,
        tokenizer: Tokenizer,
        kind: str,
        spec: Any,
        redaction: RedactionConfig = UNREDACTED,
    ) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.kind = network_of(kind)
        self.spec = spec
        self.redaction = redaction

    def __call__(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """Return one prediction for each input, in their order."""
        return list(self.stream(inputs))

    @torch.inference_mode()
    def stream(self, inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """Yield one prediction for each input, in their order, computed in batches."""
        size = self.kind.PREDICT_BATCH
        for at in range(0, len(inputs), size):
            batch = inputs[at : at + size]
            yield from self.kind.predict(
                self.network, self.tokenizer, self.spec, batch, self.redaction
            )


def load_predictor(folder: Path | str) -> Predictor:
    """Return the predictor of a task model folder.

    Raises:
        InputError: the folder is not a task model.
    """
    folder = Path(folder)
    name, is_causal, spec, redaction = read_task(folder)
    config = read_config(folder)
    check_sizes(config, folder)
    network = network_of(name).build(GPT(config), spec, 0.0, is_causal)
    load_state(network, load_weights(folder), folder)
    tokenizer = load_tokenizer(folder, config.vocab_size)
    return Predictor(network.eval(), tokenizer, name, spec, redaction)
