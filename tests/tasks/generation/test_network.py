"""Specifies the likelihood of responses: that of transformers, on the response alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.tasks.generation.test_generation import make_config
from tests.tiny_gpt2 import tiny_gpt2
from textmill import model as models
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.model import GPT
from textmill.tasks.generation import network as generation
from textmill.tasks.generation.examples import Example, Spec, make_spec
from textmill.tasks.generation.metrics import score
from textmill.tasks.generation.network import build, collate, encode, likelihood, validate
from textmill.tasks.translation.network import Translator

EXAMPLES = [
    Example("one: lamp", "a lamp", ""),
    Example("many: lamp", "all lamps, and the 12 tables of Anna", ""),
    Example("a very long prompt " * 9, "yes", ""),
    Example("short", "a very long response " * 30, ""),
]
"""The third prompt and the fourth response are cut."""


@pytest.fixture
def gpt(backbone: Path) -> GPT:
    return tiny_gpt2(48, load_tokenizer(backbone).get_vocab_size())


def test_perplexity_is_that_of_transformers(
    backbone: Path, gpt: GPT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a network that is its backbone alone: transformers has no pointer and no prefix."""
    tokenizer, spec = load_tokenizer(backbone), Spec(0.5, keeps_end=True)
    network = Translator(gpt)
    models.save(gpt, tmp_path)
    reference: Any = AutoModelForCausalLM.from_pretrained(tmp_path)
    losses, counts = [], []
    for encoded in encode(tokenizer, spec, EXAMPLES, 48):
        ids = torch.tensor([encoded.ids[:-1]])
        targets = torch.tensor(encoded.ids[1:])
        with torch.inference_mode():
            log_p = reference(ids).logits[0].log_softmax(-1)
        of_response = slice(encoded.n_source - 1, None)
        picked = log_p.gather(1, targets[:, None])[of_response, 0]
        losses.append(-float(picked.sum()))
        counts.append(len(picked))
    for most in (2048, 1):
        monkeypatch.setattr(generation, "BATCH_TOKENS", most)
        rows = likelihood(network, tokenizer, spec, EXAMPLES)
        assert [row["tokens"] for row in rows] == counts
        assert [row["nll"] for row in rows] == pytest.approx(losses, rel=1e-5)
    # The labels of transformers that are -100 are ignored, as it trains on responses.
    (encoded,) = encode(tokenizer, spec, EXAMPLES[1:2], 48)
    labels = torch.tensor([[-100] * encoded.n_source + encoded.ids[encoded.n_source :]])
    with torch.inference_mode():
        loss = float(reference(torch.tensor([encoded.ids]), labels=labels).loss)
    assert rows[1]["nll"] / rows[1]["tokens"] == pytest.approx(loss, rel=1e-5)
    filled: list[Any] = [row | {"response": "a", "reference": "a"} for row in rows[1:2]]
    perplexity = score(make_config(tmp_path), filled)["perplexity"]
    assert perplexity == pytest.approx(math.exp(loss), rel=1e-5)


def test_likelihoods_are_those_of_the_validation_loss(backbone: Path, gpt: GPT) -> None:
    """Of the network as it is: with a pointer, reading the prompt in both directions."""
    tokenizer = load_tokenizer(backbone)
    spec = make_spec(make_config(backbone), [])
    network = build(gpt, spec, 0.0, is_causal=True)
    network.eval()
    rows = likelihood(network, tokenizer, spec, EXAMPLES)
    with torch.inference_mode():
        expected = validate(network, [collate(encode(tokenizer, spec, EXAMPLES, 48))])["loss"]
    mean = sum(row["nll"] for row in rows) / sum(row["tokens"] for row in rows)
    assert mean == pytest.approx(expected, rel=1e-5)
