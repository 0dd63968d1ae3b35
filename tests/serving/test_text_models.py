"""Specifies a served backbone that was adopted with its chat template."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.tokens.test_conversations import CHAT, CHATML, adopt
from tests.serving.conftest import vocab_size
from tests.tiny_gpt2 import tiny_gpt2
from textmill.config import GenerationConfig
from textmill.corpus.tokens.conversations import ChatTemplate
from textmill.errors import InputError
from textmill.model import save
from textmill.serving.text_models import Backbone


@pytest.fixture
def backbone(tmp_path: Path) -> Backbone:
    folder = adopt(tmp_path, {"chat_template": CHATML})
    save(tiny_gpt2(256, vocab_size(folder)), folder)
    return Backbone(folder)


def test_it_reads_a_chat_by_its_template_and_ends_where_a_message_does(backbone: Backbone) -> None:
    prompt = backbone.chat_prompt(CHAT)
    assert prompt.ids == ChatTemplate(backbone.folder).encode(CHAT)
    assert prompt.ends == ("<|im_end|>",)
    with backbone.engine as engine:
        stream = engine.submit(prompt, GenerationConfig(max_new_tokens=5))
        assert 0 < sum(piece.n_tokens > 0 for piece in stream) <= 5


def test_without_a_template_it_does_not_chat(backbone: Backbone) -> None:
    (backbone.folder / "tokenizer_config.json").write_text("{}")
    with backbone.engine, pytest.raises(InputError, match="has no chat template: send a prompt to"):
        backbone.chat_prompt(CHAT)
