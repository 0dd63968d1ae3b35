"""Specifies the recurrent network: padding has no effect, and its size is that of the GPT."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.model.conftest import ARRANGEMENTS, tiny, tokens
from textmill.config import ModelConfig
from textmill.model.gpt import GPT
from textmill.model.lstm import LSTM, lstm_like, n_parameters


@pytest.mark.parametrize("is_causal", [True, False])
def test_padding_changes_no_state(is_causal: bool) -> None:
    torch.manual_seed(0)
    network = LSTM(tiny(), 8, is_causal).double().eval()
    ids, lengths = tokens(3, 9), [9, 4, 1]
    documents = torch.full((3, 9), -1)
    for row, length in enumerate(lengths):
        documents[row, :length] = 0
    together = network.hidden(ids, documents, is_causal=is_causal)
    for row, length in enumerate(lengths):
        alone = network.hidden(ids[row : row + 1, :length], is_causal=is_causal)
        torch.testing.assert_close(together[row : row + 1, :length], alone)


@pytest.mark.parametrize("is_causal", [True, False])
def test_only_a_bidirectional_state_depends_on_later_tokens(is_causal: bool) -> None:
    torch.manual_seed(0)
    network = LSTM(tiny(), 8, is_causal).eval()
    ids = tokens(1, 6)
    other = ids.clone()
    other[0, -1] = (ids[0, -1] + 1) % 23
    first, second = (network.hidden(x, is_causal=is_causal)[0, 0] for x in (ids, other))
    assert torch.equal(first, second) == is_causal


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_it_has_as_many_parameters_as_the_gpt(choices: dict[str, object], is_causal: bool) -> None:
    shape = {"n_layer": 2, "n_head": 2, "n_embd": 64, "block_size": 12, "vocab_size": 300}
    config = ModelConfig.model_validate(shape | choices)
    gpt = GPT(config)
    gpt.lm_head = nn.Identity()
    assert n_parameters(lstm_like(config, is_causal)) == pytest.approx(n_parameters(gpt), rel=0.02)


def test_the_forget_gates_start_open() -> None:
    network = LSTM(tiny(), 8, is_causal=False)
    for suffix in ("l0", "l0_reverse", "l1", "l1_reverse"):
        assert network.lstm.get_parameter(f"bias_ih_{suffix}")[8:16].tolist() == [1.0] * 8


def test_the_operations_are_counted_by_hand() -> None:
    network = LSTM(tiny(), 3, is_causal=True)
    matrices = 4 * 3 * (16 + 3) + 4 * 3 * (3 + 3) + 3 * 16
    assert network.flops_per_token(12) == 6 * matrices


def test_mixed_precision_gives_nearly_the_same_states() -> None:
    torch.manual_seed(0)
    network = LSTM(tiny(), 8, is_causal=False).eval()
    ids, documents = tokens(2, 7), torch.zeros(2, 7, dtype=torch.int32)
    expected = network.hidden(ids, documents, is_causal=False)
    with torch.autocast("cpu", torch.bfloat16):
        found = network.hidden(ids, documents, is_causal=False)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.03, atol=0.01)
