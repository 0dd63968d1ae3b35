"""Generation with the champion, or the newest finished model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textmill.config import Config, GenerationConfig
from textmill.errors import InputError
from textmill.registry.current import current_model
from textmill.steps.graph import PRETRAIN
from textmill_flows.answering.filtering import content_filter

if TYPE_CHECKING:
    from textmill.safety.filtering.content_filter import StreamFilter
    from textmill.training.writing import Piece

log = logging.getLogger(__name__)


def write(prompt: str, config: Config) -> Iterator[str]:
    """Yield the prompt, and stream its completion by the experiment's backbone.

    Both pass the filters of the configuration and the redaction of the backbone's training text.
    If there are several samples, each follows a line with its number and seed.

    Raises:
        InputError: nothing has been pretrained yet; the prompt is longer than a context that does
            not slide; or a filter blocks it.
    """
    folder = current_model(config, PRETRAIN).folder
    from textmill.corpus.tokens.tokenizer import load_tokenizer
    from textmill.model import choose_device, load
    from textmill.model.generation import prepare
    from textmill.safety.filtering.decisions import describe
    from textmill.safety.model_redaction import read_redaction
    from textmill.training.writing import stream_text

    content, redaction = content_filter(config), read_redaction(folder)
    asked = content.check(prompt, "prompt", redaction)
    if asked.is_blocked:
        raise InputError(
            f"The prompt is blocked: {describe(asked.decisions)}. Change it, or safety.filters."
        )
    settings = config.generation
    network = prepare(load(folder).to(choose_device()), settings.precision)
    tokenizer = load_tokenizer(folder, network.config.vocab_size)
    filters = [content.stream(redaction) for _ in range(settings.samples)]
    pieces = filtered(stream_text(network, tokenizer, asked.text, settings), filters)
    yield from in_order(asked.text, pieces, settings)
    if decisions := [*asked.decisions, *(one for each in filters for one in each.decisions)]:
        log.warning("Filtered: %s.", describe(decisions))


def filtered(pieces: Iterable[Piece], filters: Sequence[StreamFilter]) -> Iterator[Piece]:
    """Yield the pieces of texts after their filters; a blocked text ends, as does generation."""
    for piece in pieces:
        of_text = filters[piece.sample]
        if of_text.is_blocked:
            continue
        text = of_text.feed(piece.text, is_last=piece.reason is not None)
        reason = "stop" if of_text.is_blocked else piece.reason
        if text or reason is not None:
            yield replace(piece, text=text, reason=reason)
        if all(each.is_blocked for each in filters):
            return


def in_order(prompt: str, pieces: Iterable[Piece], config: GenerationConfig) -> Iterator[str]:
    """Yield the prompt and the text of every sample, one after the other, as they are generated."""

    def heading(sample: int) -> str:
        if config.samples == 1:
            return prompt
        number = f"--- sample {sample + 1} of {config.samples}, seed {config.seed + sample} ---"
        return f"{number}\n{prompt}"

    texts, has_ended, shown = [""] * config.samples, [False] * config.samples, 0
    yield heading(shown)
    for piece in pieces:
        has_ended[piece.sample] = piece.reason is not None
        if piece.sample == shown:
            yield piece.text
        else:
            texts[piece.sample] += piece.text
        while shown < config.samples and has_ended[shown]:
            shown += 1
            if shown < config.samples:
                yield f"\n\n{heading(shown)}{texts[shown]}"
