"""Conversion of existing tokenizers, such as GPT-2's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.corpus.tokens.tokenizer import (
    MAX_BYTES,
    SPECIAL_TOKENS,
    add_placeholders,
    damaged,
)
from textmill.errors import InputError
from textmill.files import read_untrusted
from textmill.hub_models import CHAT_TEMPLATE_FILE, TOKENIZER_SETTINGS

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def convert(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder, with textmill's special tokens before its own.

    Texts are split into the same tokens; only the token ids change.

    Raises:
        InputError: tokenizer.json is missing, damaged, or not a byte-level BPE.
    """
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    try:
        described = json.loads(read_untrusted(file, MAX_BYTES).decode())
        pre_tokenizer = described["pre_tokenizer"] or {}
        if described["model"]["type"] != "BPE" or not _is_byte_level(pre_tokenizer):
            raise InputError(
                f"{file} is not a byte-level BPE, as those of GPT-2, Llama 3 and Qwen are: remove "
                "tokenizer.init_from to train a new one."
            )
        numbered = json.dumps(_with_special_tokens(described))
    except FileNotFoundError:
        raise InputError(f"{folder} has no tokenizer: tokenizer.json is missing.") from None
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(file, error) from None
    try:
        tokenizer = Tokenizer.from_str(numbered)
    except Exception as error:  # the library raises nothing narrower
        raise damaged(file, error) from None
    add_placeholders(tokenizer)
    return tokenizer


def read_chat_template(folder: Path) -> str | None:
    """Return the chat template of a tokenizer, in Jinja; the default one if it has several.

    Raises:
        InputError: a file is damaged.
    """
    file = folder / CHAT_TEMPLATE_FILE
    try:
        if file.exists():
            return read_untrusted(file, MAX_BYTES).decode()
        file = folder / TOKENIZER_SETTINGS
        if not file.exists():
            return None
        template = json.loads(read_untrusted(file, MAX_BYTES)).get("chat_template")
        if isinstance(template, list):
            template = {each["name"]: each["template"] for each in template}.get("default")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(file, error) from None
    return template if isinstance(template, str) else None


def _is_byte_level(pre_tokenizer: Mapping[str, Any]) -> bool:
    """Return whether words are spelled in bytes, without a space before the text."""
    parts = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    levels = [part for part in parts if part.get("type") == "ByteLevel"]
    return bool(levels) and not any(part.get("add_prefix_space") for part in levels)


def _with_special_tokens(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of the tokenizer with new token ids.

    Tokens of the model come first: the library numbers added ones after them.
    """
    model, added = described["model"], described.get("added_tokens") or []
    in_order = sorted(model["vocab"], key=model["vocab"].__getitem__)
    more = [token["content"] for token in sorted(added, key=lambda token: token["id"])]
    spelt = dict.fromkeys((*SPECIAL_TOKENS, *in_order, *more))
    numbers = {token: number for number, token in enumerate(spelt)}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    special = [
        {"id": numbers[token], "content": token, **plain, "special": True}
        for token in SPECIAL_TOKENS
    ]
    theirs = [
        token | {"id": numbers[token["content"]]}
        for token in added
        if token["content"] not in SPECIAL_TOKENS
    ]
    vocabulary = {token: numbers[token] for token in (*SPECIAL_TOKENS, *in_order)}
    return {
        **described,
        "truncation": None,
        "padding": None,
        "post_processor": None,  # would add their special tokens by their ids
        "added_tokens": sorted([*special, *theirs], key=lambda token: token["id"]),
        "model": model | {"vocab": vocabulary},
    }
