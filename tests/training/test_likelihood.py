"""Specifies what text costs a language model, document by document."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.training.conftest import REPETITIVE, VOCAB_SIZE, apart_loss
from textmill.config import ModelConfig
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.model import GPT
from textmill.training.likelihood import document_nll, language_metrics, packed


@pytest.mark.parametrize("batch_blocks", [1, 3, 100])
def test_the_sum_over_blocks_does_not_depend_on_their_batches(
    inputs: dict[str, Path], batch_blocks: int
) -> None:
    torch.manual_seed(0)
    shape = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=16, vocab_size=VOCAB_SIZE)
    network = GPT(shape).eval()
    blocks = PackedBlocks(inputs["tokens"] / "validation", 16)
    nll, counts = document_nll(network, packed(blocks, batch_blocks), 10)
    assert counts.tolist() == [len(document) + 1 for document in REPETITIVE[:10]]
    with torch.inference_mode():
        expected = apart_loss(network, inputs["tokens"], 16)
    assert nll.sum() / counts.sum() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "perplexity", "bits"), [(0.0, 1.0, 0.0), (math.log(8), 8.0, 0.75)]
)
def test_language_metrics_by_hand(loss: float, perplexity: float, bits: float) -> None:
    # A quarter of a token in a byte: log2(8) bits a token are 3/4 bits a byte.
    assert language_metrics(loss, 0.25, "x/") == pytest.approx(
        {"x/loss": loss, "x/perplexity": perplexity, "x/bits_per_byte": bits}
    )


def test_a_hopeless_loss_has_a_finite_perplexity() -> None:
    assert math.isfinite(language_metrics(1e6, 0.25)["perplexity"])
