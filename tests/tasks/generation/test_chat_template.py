"""Specifies that chats have the tokens of training and prediction in transformers as well."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers
from transformers import AutoTokenizer

from tests.tasks.conftest import write_rows
from tests.tasks.generation.test_generation import make_config, message
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.tasks.generation.chat_template import TEMPLATE, save_tokenizer
from textmill.tasks.generation.examples import make_spec, read_examples
from textmill.tasks.generation.network import encode
from textmill.tasks.translation.copied import encode_texts, separate_parts

TEXTS = [
    "Hello, is Anna Weber in? ",
    "\n Call 0171 23 at  Once:\n\n- a table\n- a Chair",
    "她住在Berlin第12号。",
    "a [PHONE] and [FOO_BAR], [Foo] (x2Y) ÄÖ é E\u0301cole _Under Ⅳ ² m² ①② ⒶB",
    "<b>Write</b> don't WON'T",
]
CHATS = [
    [message("user", TEXTS[0])],
    [message("system", "Be brief. "), message("user", TEXTS[1])],
    [
        message("user", TEXTS[2]),
        message("assistant", TEXTS[3]),
        message("user", " Again, 3 times?"),
    ],
    [
        message("system", "Be brief."),
        message("user", TEXTS[4]),
        message("assistant", "No 7."),
        message("system", "Louder"),
        message("user", "Why"),
    ],
]


@pytest.fixture(scope="module")
def saved(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    save_tokenizer(backbone, folder)
    return folder


@pytest.mark.parametrize("said", CHATS)
def test_a_rendered_chat_has_the_tokens_of_training(
    backbone: Path, saved: Path, tmp_path: Path, said: list[Any]
) -> None:
    chat = [*said, message("assistant", " It is 12 o'clock, Anna. ")]
    write_rows(tmp_path / "train.jsonl", [{"messages": chat}])
    config = make_config(tmp_path, messages="messages")
    *_, example = read_examples(config, "train")
    for folder in (backbone, saved):  # the models of earlier versions have that of the backbone
        (encoded,) = encode(load_tokenizer(folder), make_spec(config, []), [example], 4096)
        tokenizer = AutoTokenizer.from_pretrained(saved)
        assert tokenizer.apply_chat_template(chat, return_dict=False) == encoded.ids
        prompt = tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
        assert prompt == encoded.ids[: encoded.n_source]


def test_a_long_chat_is_cut_like_in_training(saved: Path, tmp_path: Path) -> None:
    chat = [message("user", "old " * 30_000 + "new?"), message("assistant", "Yes.")]
    write_rows(tmp_path / "train.jsonl", [{"messages": chat}])
    config = make_config(tmp_path, messages="messages")
    examples = read_examples(config, "train")
    (encoded,) = encode(load_tokenizer(saved), make_spec(config, []), examples, 1 << 18)
    tokenizer = AutoTokenizer.from_pretrained(saved)
    assert tokenizer.apply_chat_template(chat, return_dict=False) == encoded.ids


def test_an_unknown_role_is_named(saved: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(saved)
    with pytest.raises(jinja2.TemplateError, match="unknown role bot"):
        tokenizer.apply_chat_template([message("bot", "Hello")])


def test_the_template_is_in_the_settings_of_the_tokenizer(saved: Path) -> None:
    settings = json.loads((saved / "tokenizer_config.json").read_text())
    assert settings["chat_template"] == TEMPLATE
    assert settings["eos_token"] == "<|endoftext|>"


@pytest.fixture(scope="module")
def pair(backbone: Path) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizer of a backbone, and one that separates the parts by itself."""
    plain, separating = load_tokenizer(backbone), load_tokenizer(backbone)
    separate_parts(separating)
    return plain, separating


def tokens_of(tokenizer: Tokenizer, text: str) -> list[int]:
    (parts,) = encode_texts(tokenizer, [text])
    return [token for _, ids in parts for token in ids]


PIECES = st.sampled_from(
    ["Anna", " Anna", "12", "aB", "É", "E\u0301", "[EMAIL]", "[A_B", "中", "½", " "]
)


@given(text=st.lists(PIECES | st.characters(categories=["L", "N", "P", "Z", "M"])).map("".join))
def test_a_tokenizer_that_separates_parts_has_the_same_tokens(
    pair: tuple[Tokenizer, Tokenizer], text: str
) -> None:
    plain, separating = pair
    ids = tokens_of(plain, text)
    assert separating.encode(text, add_special_tokens=False).ids == ids
    assert tokens_of(separating, text) == ids


def test_a_normalizer_comes_before_the_parts(backbone: Path) -> None:
    plain, separating = load_tokenizer(backbone), load_tokenizer(backbone)
    for tokenizer in (plain, separating):
        tokenizer.normalizer = normalizers.NFC()
    separate_parts(separating)
    rng = random.Random(0)
    text = "".join(rng.choice(["E\u0301", "e\u0301", " ", "B", "b", "1"]) for _ in range(200))
    assert separating.encode(text, add_special_tokens=False).ids == tokens_of(plain, text)
