"""Specifies backbones as graphs with a KV cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from textmill import model as models
from textmill.config import GenerationConfig
from textmill.exporting.decoder import Decoder, DecoderSession, check_decoder, write_decoder
from textmill.model.generation import generate

ROWS = [[0, 17, 44, 250, 3], [0, 99]]


def greedy(n_tokens: int) -> GenerationConfig:
    return GenerationConfig(temperature=0, max_new_tokens=n_tokens)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2", "qwen3", "gpt_neox", "textmill"])
def test_a_graph_continues_as_torch_does(
    make_backbone: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    backbone, file = models.load(make_backbone(name)), tmp_path / "model.onnx"
    write_decoder(backbone, file)
    session = DecoderSession(file, backbone)
    assert check_decoder(backbone, session) < 1e-5
    ids = ROWS[0]
    with torch.inference_mode():
        expected = backbone(torch.tensor([ids]))[0].numpy()
    np.testing.assert_allclose(session.logits(ids), expected, atol=1e-4)
    tokens = generate(backbone, torch.tensor([ids]), greedy(20))
    assert session.generate(ids, 20) == [int(token) for token in tokens]


def test_prompts_padded_at_the_beginning_have_the_logits_that_they_have_alone(
    make_backbone: Callable[[str], Path],
) -> None:
    for name in ("gpt2", "qwen3", "textmill"):
        backbone = models.load(make_backbone(name))
        decoder = Decoder(backbone).eval()
        empty = decoder.inputs(2, 1, 0)["past"]
        padded = torch.tensor([ROWS[0], [1, 1, 1, *ROWS[1]]])
        mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 0, 1, 1]])
        with torch.inference_mode():
            logits, *past = decoder(padded, mask, empty)
            following = torch.tensor([[7], [7]])
            longer = torch.nn.functional.pad(mask, (0, 1), value=1)
            after, *_ = decoder(following, longer, past)
            for row, ids in enumerate(ROWS):
                alone = backbone(torch.tensor([[*ids, 7]]))[0]
                torch.testing.assert_close(logits[row, -len(ids) :], alone[:-1])
                torch.testing.assert_close(after[row, 0], alone[-1])
