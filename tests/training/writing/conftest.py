from __future__ import annotations

from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from textmill.config import GenerationConfig, ModelConfig, TokenizerConfig
from textmill.corpus.tokens.vocabulary import train_on
from textmill.model import GPT
from textmill.model.continuous_batch import ContinuousBatch
from textmill.training.writing import text_batch


@pytest.fixture(scope="package")
def tokenizer() -> Tokenizer:
    text = "The quick brown fox jumps over the lazy dog; nobody minded them at all."
    trained = train_on(TokenizerConfig(vocab_size=300), iter([text] * 20))
    trained.encode_special_tokens = True
    return trained


@pytest.fixture(scope="package")
def network() -> GPT:
    torch.manual_seed(0)
    shape = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=12, vocab_size=300)
    return GPT(shape).eval()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Token ids that the model will write."""
    ids: list[int] = []

    class Scripted(ContinuousBatch):
        def _choose(self, logits: torch.Tensor) -> torch.Tensor:
            return torch.tensor([ids[len(text.tokens)] for text in self.texts])

    monkeypatch.setattr(text_batch, "ContinuousBatch", Scripted)
    return ids


def config(**choices: Any) -> GenerationConfig:
    return GenerationConfig.model_validate({"max_new_tokens": 30} | choices)
