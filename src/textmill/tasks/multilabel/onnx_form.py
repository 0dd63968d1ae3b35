"""The ONNX form of multi-label classification: the graph of classification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textmill.tasks.classification.answers import Texts
from textmill.tasks.classification.onnx_form import (
    AXES,
    OUTPUT,
    constants,
    further_inputs,
    logits,
    logits_of,
)
from textmill.tasks.multilabel.examples import Spec
from textmill.tasks.portable.padding import softmax
from textmill.tasks.portable.protocols import Arrays, Run

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["AXES", "OUTPUT", "constants", "further_inputs", "logits", "score"]


def score(
    run: Run,
    constants: Arrays,
    tokenizer: Tokenizer,
    spec: Spec,
    prepared: Sequence[Texts],
    block_size: int,
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of each text to lack and to have the labels, (labels, 2)."""
    found = logits_of(run, tokenizer, prepared, block_size)
    # The sigmoid is a softmax with 0 as the other logit.
    yield from softmax(np.stack([np.zeros_like(found), found], axis=-1))
