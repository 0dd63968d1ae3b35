"""Texts that a backbone and its tokenizer write, as streams of pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textmill.config import GenerationConfig
from textmill.corpus.tokens.tokenizer import END_ID
from textmill.model import GPT
from textmill.model.continuous_batch import ContinuousBatch, Generated, Prompt
from textmill.training.writing.text_decoder import TextDecoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Reason = Literal["stop", "length"]
"""Why a text ends: with END or before a stop string; or at max_new_tokens or a full context."""

AnyPrompt = Prompt | str | Sequence[int]
"""A prompt, or the text or tokens of one that is read from left to right."""

MAX_TEXTS = 16
"""Texts that are generated together, by default."""


@dataclass(frozen=True)
class Piece:
    """The next part of a text."""

    text: str
    """Whole characters; may be empty at the end of a text."""
    sample: int
    """Number of the text among those of its prompt, from 0."""
    n_tokens: int
    """Tokens generated for the text so far, END included."""
    reason: Reason | None = None
    """Why the text ends here; None: it goes on."""


class Text:
    """A text that is being written.

    Args:
        prompt: what it begins with.
        config: how it is written.
        tokenizer: decodes its tokens.
        sample: number of the text among those of its prompt, from 0.
    """

    def __init__(
        self, prompt: Prompt, config: GenerationConfig, tokenizer: Tokenizer, sample: int
    ) -> None:
        seed = config.seed + sample
        self.generated = Generated(prompt, config.model_copy(update={"seed": seed}))
        self.decoder = TextDecoder(tokenizer, (*config.stop, *prompt.ends))
        self.sample = sample

    def next_piece(self) -> Piece | None:
        """Return what the newest token adds to the text; None: nothing yet."""
        tokens = self.generated.tokens
        text = self.decoder.add(tokens[-1])
        reason: Reason | None = None
        if self.decoder.has_ended:
            reason = "stop"
        elif self.generated.is_finished:
            text, reason = text + self.decoder.rest(), "length"
        return Piece(text, self.sample, len(tokens), reason) if text or reason else None


class TextBatch:
    """Texts of any prompts that are written together, a token of each at a time.

    Args:
        network: in eval mode.
        tokenizer: that of the network.
        max_texts: texts generated at a time; further ones wait.
        max_tokens: length of the context of a text, if it is shorter than that of the network.
    """

    def __init__(
        self,
        network: GPT,
        tokenizer: Tokenizer,
        max_texts: int = MAX_TEXTS,
        max_tokens: int | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.waiting: deque[Text] = deque()
        self.active: dict[Generated, Text] = {}
        self._batch = ContinuousBatch(network, max_texts, max_tokens)

    def add(self, prompt: AnyPrompt, config: GenerationConfig) -> list[Text]:
        """Add the texts of a prompt, as many as `config.samples`.

        Raises:
            InputError: see `check`.
        """
        prompt = as_prompt(self.tokenizer, prompt)
        self.check(prompt, config)
        texts = [Text(prompt, config, self.tokenizer, n) for n in range(config.samples)]
        self.waiting.extend(texts)
        return texts

    def check(self, prompt: Prompt, config: GenerationConfig) -> None:
        """Raise InputError if a prompt is empty, has unknown tokens, or is too long to be read."""
        self._batch.check(prompt.ids, config)

    def remove(self, text: Text) -> None:
        """Stop writing a text, if it is still written."""
        if text.generated in self.active:
            del self.active[text.generated]
            self._batch.remove(text.generated)
        elif text in self.waiting:
            self.waiting.remove(text)

    def step(self) -> list[tuple[Text, Piece]]:
        """Generate a token of every text, and return the pieces that are complete."""
        while self.waiting and not self._batch.is_full:
            text = self.waiting.popleft()
            self._batch.add(text.generated)
            self.active[text.generated] = text
        pieces = []
        for generated in self._batch.step():
            text = self.active[generated]
            if (piece := text.next_piece()) is None:
                continue
            pieces.append((text, piece))
            if piece.reason is not None:
                del self.active[generated]
                if not generated.is_finished:
                    self._batch.remove(generated)
        return pieces

    def __bool__(self) -> bool:
        return bool(self.waiting or self.active)


def encode_prompt(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """Return the tokens of a prompt: END begins every text, and predicts the first token."""
    return [END_ID, *tokenizer.encode(prompt, add_special_tokens=False).ids]


def as_prompt(tokenizer: Tokenizer, prompt: AnyPrompt) -> Prompt:
    """Return a prompt that may be given as a text, or as tokens."""
    if isinstance(prompt, Prompt):
        return prompt
    return Prompt(encode_prompt(tokenizer, prompt) if isinstance(prompt, str) else prompt)


def stream_text(
    network: GPT, tokenizer: Tokenizer, prompt: AnyPrompt, config: GenerationConfig
) -> Iterator[Piece]:
    """Yield the texts of a prompt, `config.samples`, piece by piece as they are generated.

    A text ends with the END token, before a stop string, or at its maximum length. Its last piece
    has the reason.

    Raises:
        InputError: the prompt is empty, or longer than a context that does not slide.
    """
    prompt = as_prompt(tokenizer, prompt)
    n_tokens = len(prompt.ids) + config.max_new_tokens
    batch = TextBatch(network, tokenizer, min(config.samples, MAX_TEXTS), n_tokens)
    batch.add(prompt, config)
    while batch:
        yield from (piece for _, piece in batch.step())


def write_texts(
    network: GPT, tokenizer: Tokenizer, prompt: AnyPrompt, config: GenerationConfig
) -> list[str]:
    """Return the texts of a prompt, `config.samples`; see `stream_text`."""
    texts = [""] * config.samples
    for piece in stream_text(network, tokenizer, prompt, config):
        texts[piece.sample] += piece.text
    return texts
