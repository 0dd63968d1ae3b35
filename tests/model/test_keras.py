"""Specifies that KerasHub, where it is installed, reads a GPT-2 of ours with the same logits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from textmill.config import ModelConfig
from textmill.model import GPT, save
from textmill.model.families.gpt2 import ARCHITECTURE as GPT2_ARCHITECTURE

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
keras_hub = pytest.importorskip("keras_hub", reason="KerasHub is an extra: textmill[keras]")


def test_an_exported_model_has_the_same_logits_in_kerashub(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = dict(n_layer=2, n_head=2, n_embd=16, block_size=12, vocab_size=23)
    model = GPT(ModelConfig.model_validate(shape | GPT2_ARCHITECTURE)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    save(model, tmp_path)
    input_ids = torch.tensor([[1, 5, 22, 0, 7, 7, 3], [0, 2, 4, 6, 8, 10, 12]])

    backbone = keras_hub.models.GPT2Backbone.from_preset(str(tmp_path))
    hidden = backbone({"token_ids": input_ids.numpy(), "padding_mask": np.ones((2, 7), bool)})
    logits = backbone.token_embedding(hidden, reverse=True)

    np.testing.assert_allclose(np.asarray(logits), model(input_ids).detach().numpy(), atol=1e-4)
