"""The settings of generation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from textmill.config import TaskConfig
from textmill.tasks.translation.settings import TranslationFinetuneConfig


class ResponseConfig(TaskConfig):
    """Generation: the response to a prompt, or the next message of a chat."""

    TEXT_SETTINGS = ("prompt", "response")
    INPUT_COLUMNS = {"text": "prompt"}

    kind: Literal["generation"]
    prompt: str = "prompt"
    """Column of the prompt."""
    response: str = "response"
    """Column of its response."""
    messages: str | None = None
    """Column of a chat, instead of these: a list of objects with `role` (system, user or assistant)
    and `content`. Each message of the assistant is a response to those before it."""
    prompt_share: float = Field(0.5, gt=0, lt=1)
    """Maximum share of the context for a prompt; longer ones are truncated."""
    beams: int = Field(1, ge=1)
    """Partial responses that beam search keeps per prompt; 1 is greedy decoding."""
    finetune: TranslationFinetuneConfig = TranslationFinetuneConfig()

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of running text; chats are no part of the corpus."""
        return super().text_columns if self.messages is None else ()

    @property
    def example_columns(self) -> tuple[str, ...]:
        """The columns whose texts an example is made of."""
        return self.text_columns if self.messages is None else (self.messages,)


SETTINGS = ResponseConfig
"""The class of the settings of this kind."""
