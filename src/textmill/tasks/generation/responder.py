"""A model that responds, for generation token by token: sampled, as a stream, or with others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textmill.errors import InputError
from textmill.model import GPT
from textmill.model.continuous_batch import Prompt
from textmill.tasks.ensemble.predictor import NetworkScorer, Predictor
from textmill.tasks.generation.examples import ROLES, said_before
from textmill.tasks.translation.network import Translator, copying_head, encode_sources

Message = Mapping[str, str]
"""The `role` (system, user or assistant) and the `content` of a message."""


class Responder:
    """The network of a model of this kind, and the prompts that it reads.

    `stream_text` and `Engine` take its backbone, its tokenizer and a prompt. Greedy decoding gives
    the response that the predictor gives with a single beam.

    Args:
        predictor: of the model.

    Raises:
        InputError: the model is not a single network of this kind.
    """

    def __init__(self, predictor: Predictor) -> None:
        (scorer, _), *others = predictor.scorers
        if predictor.kind_name != "generation" or others or not isinstance(scorer, NetworkScorer):
            raise InputError(
                "the model is not a single network that responds: fine-tune a task of kind "
                "generation with finetune.candidates=[network] and finetune.seeds=1."
            )
        self.network: Translator
        self.network, self.tokenizer, self.spec = scorer.args
        self.predictor = predictor

    @property
    def backbone(self) -> GPT:
        """The model that generates."""
        return self.network.backbone

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """Return the prompt of a chat, to which the next message is the response.

        Personal data are redacted as in training. Long chats lose their beginning.

        Raises:
            InputError: a message is invalid, or the last one is of the assistant.
        """
        said = said_before([_checked(number, message) for number, message in enumerate(messages)])
        predictor = self.predictor
        prepared = predictor.kind.prepare(self.spec, [said], predictor.redaction)
        block_size = self.backbone.config.block_size
        [(ids, _, _)] = encode_sources(self.tokenizer, self.spec, prepared, block_size)
        pointer = self.network.pointer
        head = None if pointer is None else copying_head(self.network, pointer, [ids])
        return Prompt(ids, head, self.network.is_causal)


def _checked(number: int, message: Message) -> tuple[str, str]:
    """Return role and content of a message."""
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise InputError(f"message {number} has the role {role!r}: use {', '.join(ROLES)}.")
    if not isinstance(content, str) or not content.strip():
        raise InputError(f"message {number} has no content: write a text.")
    return role, content
