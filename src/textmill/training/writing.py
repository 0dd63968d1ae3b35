"""Streaming text generation with a backbone and its tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from textmill.config import GenerationConfig
from textmill.corpus.tokens.tokenizer import END_ID, SPECIAL_TOKENS
from textmill.model import GPT, generate

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def stream_text(
    network: GPT, tokenizer: Tokenizer, prompt: str, config: GenerationConfig
) -> Iterator[str]:
    """Yield the completion of a prompt as it is generated, until the end-of-text token.

    A character whose bytes span several tokens is yielded once it is complete, and dropped if
    generation stops before.
    """
    from tokenizers.decoders import DecodeStream

    # The end token begins every text: the first token is predicted from it.
    ids = [END_ID, *tokenizer.encode(prompt, add_special_tokens=False).ids]
    generator = torch.Generator(network.device).manual_seed(config.seed)
    text = DecodeStream(skip_special_tokens=False)
    for token in generate(
        network,
        torch.tensor([ids], device=network.device),
        config.max_new_tokens,
        config.temperature,
        config.top_k,
        generator,
    ):
        number = int(token)
        if number == END_ID:
            return
        if number < len(SPECIAL_TOKENS):
            continue  # a special token, not text
        if piece := text.step(tokenizer, number):
            yield piece
