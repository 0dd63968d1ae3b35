"""Specifies the pass of one token of each text: the hidden states of a whole pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.model.conftest import ARRANGEMENTS, build, tokens
from textmill.config import LoRAConfig
from textmill.model.lora import LoRALinear, attach
from textmill.model.slot_cache import SlotCache
from textmill.model.token_pass import TokenPass

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture
def inference() -> Any:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("lengths", [(4,), (5, 5), (3, 8, 1)], ids=str)
@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_one_token_of_each_text_gives_the_states_of_a_whole_pass(
    choices: dict[str, Any], lengths: tuple[int, ...]
) -> None:
    model = build(**choices)
    texts = [tokens(1, n + 3, seed=n) for n in lengths]
    slots = SlotCache(model.config, 4, 12, model.wte.weight)
    slots.memory.fill_(torch.nan)  # as new memory may be
    for slot, (text, n) in enumerate(zip(texts, lengths, strict=True)):
        model(text[:, :n], cache=slots.begin(slot, n))
    one_token = TokenPass(model)
    for step in range(3):
        new = torch.cat([text[0, n + step, None] for text, n in zip(texts, lengths, strict=True)])
        states = one_token(new, slots)
        for row, (text, n) in enumerate(zip(texts, lengths, strict=True)):
            whole = model.hidden(text[:, : n + step + 1])[0, -1]
            torch.testing.assert_close(states[row], whole, atol=1e-9, rtol=1e-9)


def test_a_text_that_moved_to_another_slot_goes_on() -> None:
    model = build()
    slots = SlotCache(model.config, 3, 12, model.wte.weight)
    text = tokens(1, 6)
    model(text[:, :5], cache=slots.begin(2, 5))
    slots.move(2, to=0)
    states = TokenPass(model)(text[0, 5:], slots)
    torch.testing.assert_close(states[0], model.hidden(text)[0, -1])


def test_updates_of_lora_count() -> None:
    with torch.inference_mode(False):
        model = build()
        attach(model, LoRAConfig())
        for layer in model.modules():
            if isinstance(layer, LoRALinear):
                torch.nn.init.normal_(layer.lora_B)
    slots = SlotCache(model.config, 1, 12, model.wte.weight)
    text = tokens(1, 6)
    model(text[:, :5], cache=slots.begin(0, 5))
    states = TokenPass(model)(text[0, 5:], slots)
    torch.testing.assert_close(states[0], model.hidden(text)[0, -1])
