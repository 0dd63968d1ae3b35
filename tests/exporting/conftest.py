"""Backbones of several architectures with a tokenizer, and the tokens of held-out documents."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from tests.stores import model_folder, task_of
from tests.tasks.language_model.harness.conftest import folders
from textmill import model as models
from textmill.config import ModelConfig
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES
from textmill.model import GPT

__all__ = ["folders", "make_backbone", "model_folder", "task_of"]

ARCHITECTURES = {
    "gpt2": {"position": "learned", "activation": "gelu", "norm": "layer", "bias": True,
             "qk_norm": False},
    "llama": {"activation": "swiglu", "qk_norm": False, "n_kv_head": 1, "tie_embeddings": False},
    "qwen2": {"activation": "swiglu", "qk_norm": False, "qkv_bias": True, "rotary_base": 1e6},
    "qwen3": {"activation": "swiglu", "n_kv_head": 2, "n_inner": 40},
    "gpt_neox": {"activation": "gelu_exact", "norm": "layer", "bias": True, "qk_norm": False,
                 "parallel_residual": True, "rotary_share": 0.5, "tie_embeddings": False},
    "textmill": {"position": "sinusoidal", "activation": "relu_squared"},
}  # fmt: skip
"""By `model_type`."""


@pytest.fixture(scope="package")
def make_backbone(
    folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Returns the folder of a backbone of an architecture: 2 layers of 32 channels, context 32."""

    @cache
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        for file in TOKENIZER_FILES:
            shutil.copy(folders["backbone"] / file, folder / file)
        shape = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 32, "vocab_size": 300}
        torch.manual_seed(0)
        model = GPT(ModelConfig.model_validate(shape | ARCHITECTURES[name]))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        models.save(model, folder)
        return folder

    return make
