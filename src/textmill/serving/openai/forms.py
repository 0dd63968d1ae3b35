"""The form of written texts in the responses of OpenAI's two APIs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from textmill.serving.openai.api_schemas import (
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatCompletion,
    ChatMessage,
    Completion,
    CompletionChoice,
    Delta,
    Response,
)
from textmill.serving.openai.written import Texts, Written


class Form(Protocol):
    """Makes responses; `head` has the fields that all have."""

    PREFIX: str
    """Beginning of the ids of responses."""

    def whole(self, texts: Texts, head: dict[str, Any]) -> Response:
        """Return the response with all texts."""

    def chunk(self, piece: Written, is_first: bool, head: dict[str, Any]) -> Response:
        """Return the response with a piece of a text."""

    def end(self, head: dict[str, Any]) -> Response:
        """Return the last response of a stream, which has no text."""


@dataclass(frozen=True)
class CompletionForm:
    """Responses of the completions API.

    Args:
        echo: what a completion begins with.
    """

    PREFIX = "cmpl"
    echo: str = ""

    def whole(self, texts: Texts, head: dict[str, Any]) -> Completion:
        """Return the response with all texts."""
        choices = [
            CompletionChoice(index=number, text=self.echo + text, finish_reason=reason)
            for number, (text, reason) in enumerate(zip(texts.texts, texts.reasons, strict=True))
        ]
        return Completion(choices=choices, **head)

    def chunk(self, piece: Written, is_first: bool, head: dict[str, Any]) -> Completion:
        """Return the response with a piece of a text."""
        text = self.echo + piece.text if is_first else piece.text
        choice = CompletionChoice(index=piece.sample, text=text, finish_reason=piece.reason)
        return Completion(choices=[choice], **head)

    def end(self, head: dict[str, Any]) -> Completion:
        """Return the last response of a stream, which has no text."""
        return Completion(choices=[], **head)


class ChatForm:
    """Responses of the chat API."""

    PREFIX = "chatcmpl"

    def whole(self, texts: Texts, head: dict[str, Any]) -> ChatCompletion:
        """Return the response with all texts."""
        choices = [
            ChatChoice(
                index=number,
                message=ChatMessage(role="assistant", content=text),
                finish_reason=reason,
            )
            for number, (text, reason) in enumerate(zip(texts.texts, texts.reasons, strict=True))
        ]
        return ChatCompletion(choices=choices, **head)

    def chunk(self, piece: Written, is_first: bool, head: dict[str, Any]) -> ChatChunk:
        """Return the response with a piece of a text."""
        delta = Delta(role="assistant" if is_first else None, content=piece.text)
        choice = ChatChunkChoice(index=piece.sample, delta=delta, finish_reason=piece.reason)
        return ChatChunk(choices=[choice], **head)

    def end(self, head: dict[str, Any]) -> ChatChunk:
        """Return the last response of a stream, which has no text."""
        return ChatChunk(choices=[], **head)
