"""Generation of several texts in one batch, which they join and leave at any step.

Source: Yu et al. 2022, "Orca: A Distributed Serving System for Transformer-Based Generative Models"
(iteration-level scheduling).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from textmill.config import GenerationConfig, SamplingConfig
from textmill.errors import InputError
from textmill.model.beam_search import Head
from textmill.model.gpt import GPT
from textmill.model.sampling import choose_tokens
from textmill.model.slot_cache import SlotCache
from textmill.model.token_pass import TokenPass


@dataclass(frozen=True)
class Prompt:
    """What a text begins with, and how a model that was fine-tuned to respond reads it."""

    ids: Sequence[int]
    """The tokens, at least one."""
    head: Head | None = None
    """The output layer, as in beam search, of a single prompt; None: that of the network."""
    is_causal: bool = True
    """Whether a token of the prompt attends only to itself and the tokens before it."""
    ends: tuple[str, ...] = ()
    """Strings before which the text ends, as those of `config.stop`."""


class Generated:
    """A text that a batch generates.

    Args:
        prompt: what it begins with.
        config: max_new_tokens, when_full, seed, and how tokens are chosen.
    """

    def __init__(self, prompt: Prompt | Sequence[int], config: GenerationConfig) -> None:
        prompt = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
        self.head, self.is_causal = prompt.head, prompt.is_causal
        # Half of a prompt would be another one to a model that was fine-tuned to respond.
        self.slides = config.when_full == "slide" and self.head is None and self.is_causal
        self.prompt = list(prompt.ids)
        self.config = config
        self.sampling = SamplingConfig(
            **{name: getattr(config, name) for name in SamplingConfig.model_fields}
        )
        self.tokens: list[int] = []
        """The tokens after the prompt, so far."""
        self.is_finished = False
        """Whether it has max_new_tokens, or the context is full and it stops then."""
        self.generator: torch.Generator | None = None
        self.used: Tensor | None = None
        """The tokens of the prompt and the text, (vocab_size,), bool, for repetition_penalty."""

    def begin(self, device: torch.device, vocab_size: int) -> None:
        """Prepare the choice of the first token."""
        self.generator = torch.Generator(device).manual_seed(self.config.seed)
        if self.config.repetition_penalty != 1:
            self.used = torch.zeros(vocab_size, dtype=torch.bool, device=device)
            self.used[self.prompt] = True

    def append(self, token: int, block_size: int) -> None:
        """Add a token."""
        self.tokens.append(token)
        if self.used is not None:
            self.used[token] = True
        # The last token of a text is never an input.
        is_full = len(self.prompt) + len(self.tokens) > block_size
        has_maximum = len(self.tokens) >= self.config.max_new_tokens
        self.is_finished = has_maximum or (is_full and not self.slides)


class ContinuousBatch:
    """A batch of texts, to each of which a step adds a token.

    Texts have their own settings and random numbers, so the tokens of a text depend on its seed and
    not on the others, up to the rounding of matrix products.

    Args:
        network: in eval mode; its weights must not change.
        max_texts: maximum number of texts at a time, for which memory is allocated.
        max_tokens: length of the context of a text, if it is shorter than block_size.
    """

    def __init__(self, network: GPT, max_texts: int, max_tokens: int | None = None) -> None:
        self.network = network
        self.max_texts = max_texts
        self.vocab_size = network.wte.num_embeddings
        self.block_size = min(network.config.block_size, max_tokens or network.config.block_size)
        self.texts: list[Generated] = []
        """The texts in the batch; the first ones have a slot with all but their last token."""
        with torch.inference_mode():
            self._slots = SlotCache(network.config, max_texts, self.block_size, network.wte.weight)
            self._pass = TokenPass(network)
        self._n_read = 0

    @property
    def is_full(self) -> bool:
        """Whether no text can be added."""
        return len(self.texts) == self.max_texts

    def add(self, text: Generated) -> None:
        """Add a text, whose first token the next step generates.

        Raises:
            InputError: see `check`.
            ValueError: the batch is full.
        """
        if self.is_full:
            raise ValueError(f"the batch has its maximum of {self.max_texts} texts: remove one.")
        self.check(text.prompt, text.config)
        text.begin(self.network.device, self.vocab_size)
        self.texts.append(text)

    def check(self, prompt: Sequence[int], config: GenerationConfig) -> None:
        """Raise InputError if a prompt has no tokens, unknown ones, or too many.

        There are too many if they are longer than a context that does not slide.
        """
        if not prompt:
            raise InputError("the prompt is empty: it needs a token.")
        if unknown := [token for token in prompt if not 0 <= token < self.vocab_size]:
            raise InputError(
                f"the prompt has the token {unknown[0]}, but the model has tokens from 0 to "
                f"{self.vocab_size - 1}: encode it with the model's own tokenizer."
            )
        if config.when_full == "stop" and len(prompt) > self.block_size:
            raise InputError(
                f"the prompt has {len(prompt)} tokens, more than the context of {self.block_size}: "
                "shorten it, or set when_full=slide to read its end."
            )

    @torch.inference_mode()
    def remove(self, text: Generated) -> None:
        """Remove a text, at any time."""
        slot = self.texts.index(text)
        if slot < self._n_read:
            self._n_read -= 1
            if slot < self._n_read:  # the last text that has been read takes its slot
                self._slots.move(self._n_read, to=slot)
                self.texts[slot] = self.texts[self._n_read]
            slot = self._n_read
        del self.texts[slot]

    @torch.inference_mode()
    def step(self) -> list[Generated]:
        """Generate the next token of every text, and return the texts; finished ones leave."""
        if not self.texts:
            return []
        # In mixed precision, which training may have set, weights would be cast in every step.
        with torch.autocast(self.network.device.type, enabled=False):
            logits = self._logits()
        texts = [*self.texts]
        for text, token in zip(texts, self._choose(logits).tolist(), strict=True):
            text.append(token, self.block_size)
            if text.is_finished:
                self.remove(text)
        return texts

    def _logits(self) -> Tensor:
        """Return the logits of the next token of every text, (R, vocab_size)."""
        logits = []
        if self._n_read:
            texts = self.texts[: self._n_read]
            hidden = self._advance(texts)
            logits.append(self.network.lm_head(hidden))
            for row, text in enumerate(texts):
                if text.head is not None:
                    logits[0][row] = self._by_own_head(text.head, hidden[row, None, None])
        for slot, text in enumerate(self.texts[self._n_read :], self._n_read):
            # Longer ones only if the context slides: its end is read, and leaves room for a token.
            room = self.block_size - text.slides
            hidden = self._read(slot, text.prompt[-room:], text.is_causal)
            logits.append(
                self.network.lm_head(hidden[:, -1])
                if text.head is None
                else self._by_own_head(text.head, hidden)
            )
        self._n_read = len(self.texts)
        return logits[0] if len(logits) == 1 else torch.cat(logits)

    def _by_own_head(self, head: Head, hidden: Tensor) -> Tensor:
        """Return the logits of a text, (1, vocab_size), by its own output layer."""
        return head(hidden, torch.zeros(1, dtype=torch.int64, device=hidden.device))

    def _advance(self, texts: Sequence[Generated]) -> Tensor:
        """Return the hidden states of the last token of texts that have been read, (R, C)."""
        for slot, text in enumerate(texts):
            if self._slots.lengths[slot] == self.block_size:
                newer_half = [*text.prompt, *text.tokens][-(self.block_size // 2) :]
                self._slots.lengths[slot] = 0
                if len(newer_half) > 1:
                    self._read(slot, newer_half[:-1])
        newest = [text.tokens[-1] for text in texts]
        return self._pass(torch.tensor(newest, device=self.network.device), self._slots)

    def _read(self, slot: int, ids: Sequence[int], is_causal: bool = True) -> Tensor:
        """Put tokens into a slot instead of those in it; return their states, (1, T, C)."""
        input_ids = torch.tensor([ids], dtype=torch.int64, device=self.network.device)
        cache = self._slots.begin(slot, len(ids))
        return self.network.hidden(input_ids, is_causal=is_causal, cache=cache)

    def _choose(self, logits: Tensor) -> Tensor:
        """Return a token for each text, (R,), by its own settings."""
        groups: dict[SamplingConfig, list[int]] = defaultdict(list)
        for row, text in enumerate(self.texts):
            groups[text.sampling].append(row)
        chosen = torch.empty(len(logits), dtype=torch.int64, device=logits.device)
        for sampling, rows in groups.items():
            generators = [self.texts[row].generator for row in rows]
            masks = [used for row in rows if (used := self.texts[row].used) is not None]
            used = torch.stack(masks) if masks else None
            of_group = logits if len(groups) == 1 else logits[rows]
            chosen[rows] = choose_tokens(of_group, sampling, generators, used)
        return chosen
