"""Specifies the sample chats."""

from __future__ import annotations

import re
from random import Random

import pytest

from textmill.sample.chats import REQUESTS, write_chat
from textmill.sample.language.world import World

SLOT = re.compile(r"\{(\w+)\}")


@pytest.mark.parametrize(("request_", "response", "further"), REQUESTS)
def test_a_response_names_only_what_it_was_told(
    request_: str, response: str, further: tuple[tuple[str, str], ...]
) -> None:
    told = {*SLOT.findall(request_)}
    assert {*SLOT.findall(response)} <= told
    for asked, answer in further:
        assert {*SLOT.findall(answer)} <= told | {*SLOT.findall(asked)}


def test_users_and_the_assistant_take_turns(world: World) -> None:
    chats = [write_chat(world, Random(seed), is_test=False)["messages"] for seed in range(100)]
    assert {len(chat) for chat in chats} == {2, 4}
    for chat in chats:
        roles = [message["role"] for message in chat]
        assert roles == ["user", "assistant"] * (len(chat) // 2)
        assert not [m for m in chat if "{" in m["content"] or not m["content"]]
