"""Chats as the template of a tokenizer writes them, such as that of an instruction-tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES
from textmill.errors import InputError
from textmill.files import read_json

_SAID = "textmill-said-this"  # a message that no template contains


class ChatTemplate:
    """The chat template of a tokenizer; `transformers` runs it in a sandbox.

    Args:
        folder: of the tokenizer, which has one.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import PreTrainedTokenizerFast  # takes seconds to import

        # Any, as its declared unions name more than what its calls return.
        self._tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder)

    def encode(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Return the tokens of a chat to which the next message is the response.

        Control tokens that are spelled out in a message are text, so no message can pretend to be
        that of another role.

        Raises:
            InputError: the template refuses these messages.
        """
        from jinja2.exceptions import TemplateError

        try:
            ids: list[int] = self._tokenizer.apply_chat_template(
                [dict(message) for message in messages],
                add_generation_prompt=True,
                return_dict=False,
                sanitize_control_tokens=True,
            )
        except TemplateError as error:
            raise InputError(f"the chat template refuses these messages: {error}.") from None
        return ids

    @cached_property
    def ends(self) -> tuple[str, ...]:
        """The control token that ends a message of the assistant, if there is one."""
        from jinja2.exceptions import TemplateError

        chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _SAID}]
        try:
            rendered: str = self._tokenizer.apply_chat_template(chat, tokenize=False)
        except TemplateError:
            return ()
        after = rendered.partition(_SAID)[2]
        tokens = [token.content for token in self._tokenizer.added_tokens_decoder.values()]
        found = [token for token in tokens if token in after]
        return (min(found, key=after.index),) if found else ()


def has_chat_template(folder: Path) -> bool:
    """Return whether the tokenizer of a folder has a chat template."""
    return bool(read_json(folder / TOKENIZER_FILES[1]).get("chat_template"))
