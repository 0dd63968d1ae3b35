"""Text from a backbone: prompt in, text out, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from textmill.config import GenerationConfig
from textmill.corpus.tokens.tokenizer import END_ID, SPECIAL_TOKENS
from textmill.model import GPT, generate

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def write_text(
    network: GPT, tokenizer: Tokenizer, prompt: str, config: GenerationConfig
) -> Iterator[str]:
    """Yield the continuation of a prompt as it is written, until the document ends.

    A character whose bytes are spread over several tokens is yielded once it is whole, and left
    out if writing ends before.
    """
    from tokenizers.decoders import DecodeStream

    # The document end before the text is what a first token is predicted from.
    ids = [END_ID, *tokenizer.encode(prompt, add_special_tokens=False).ids]
    generator = torch.Generator().manual_seed(config.seed)
    text = DecodeStream(skip_special_tokens=False)
    for token in generate(
        network,
        torch.tensor([ids]),
        config.max_new_tokens,
        config.temperature,
        config.top_k,
        generator,
    ):
        if int(token) == END_ID:
            return
        if int(token) < len(SPECIAL_TOKENS):
            continue  # a mark of structure, which is no text
        if piece := text.step(tokenizer, int(token)):
            yield piece
