"""Models that write texts, each in a thread of its own: the backbone, and those of chat tasks."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from textmill.config import GenerationPrecision, RedactionConfig
from textmill.corpus.tokens.conversations import ChatTemplate, has_chat_template
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.errors import InputError
from textmill.model import choose_device, load
from textmill.model.continuous_batch import Prompt
from textmill.model.generation import prepare
from textmill.safety.model_redaction import read_redaction
from textmill.tasks.ensemble.adapters import load_backbone
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.generation.responder import Responder
from textmill.training.writing.engine import Engine

Messages = Sequence[Mapping[str, str]]
"""The messages of a chat, each with its `role` and `content`."""


class TextModel(Protocol):
    """A model that writes texts."""

    @property
    def engine(self) -> Engine:
        """Its thread."""

    @property
    def redaction(self) -> RedactionConfig:
        """That of its training texts."""

    def chat_prompt(self, messages: Messages) -> Prompt:
        """Return the prompt of a chat.

        Raises:
            InputError: it does not chat, or the messages are invalid.
        """


class Backbone:
    """A backbone.

    Args:
        folder: that of the backbone.
        precision: of its weights; those of 32 bits are shared with the adapters on it.

    Raises:
        InputError: a file is damaged.
    """

    def __init__(self, folder: Path, precision: GenerationPrecision = "32") -> None:
        self.folder = folder
        device = choose_device()
        is_shared = precision == "32"
        network = load_backbone(folder, device) if is_shared else load(folder).to(device)
        self.tokenizer = load_tokenizer(folder, network.config.vocab_size)
        self.redaction = read_redaction(folder)
        self.engine = Engine(prepare(network, precision), self.tokenizer)

    def chat_prompt(self, messages: Messages) -> Prompt:
        """Return the prompt of a chat, by the chat template of the tokenizer.

        Raises:
            InputError: there is none, it refuses these messages, or its file is damaged.
        """
        if self._template is None:
            raise InputError(
                "the backbone has no chat template: send a prompt to /v1/completions, or fine-tune "
                "a task of the kind generation."
            )
        return Prompt(self._template.encode(messages), ends=self._template.ends)

    @cached_property
    def _template(self) -> ChatTemplate | None:
        return ChatTemplate(self.folder) if has_chat_template(self.folder) else None


class ChatModel:
    """A model of a task that responds.

    Raises:
        InputError: it is not a single network.
    """

    def __init__(self, predictor: Predictor) -> None:
        responder = Responder(predictor)
        self.redaction = predictor.redaction
        self.chat_prompt = responder.prompt
        self.engine = Engine(prepare(responder.backbone, "32"), responder.tokenizer)


class Chats:
    """The chat models of predictors, made when they are first asked for."""

    def __init__(self) -> None:
        self._models: dict[Predictor, ChatModel | None] = {}
        self._lock = threading.Lock()

    def of(self, predictor: Predictor) -> ChatModel | None:
        """Return the chat model of a predictor; None if it is not a single network."""
        with self._lock:
            if predictor not in self._models:
                self._models[predictor] = _open(predictor)
            return self._models[predictor]

    def close(self, predictor: Predictor, timeout_s: float | None = None) -> None:
        """Finish the texts of a predictor that have begun, and forget it; see `Engine.close`."""
        with self._lock:
            chat = self._models.pop(predictor, None)
        if chat is not None:
            chat.engine.close(timeout_s)

    def close_all(self, timeout_s: float | None = None) -> None:
        """Finish all texts that have begun; see `Engine.close`."""
        for predictor in [*self._models]:
            self.close(predictor, timeout_s)


def _open(predictor: Predictor) -> ChatModel | None:
    try:
        return ChatModel(predictor)
    except InputError:
        return None  # an average, or a baseline: it answers whole texts
