"""The text of tokens that arrive one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textmill.corpus.tokens.tokenizer import END_ID, SPECIAL_TOKENS

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TextDecoder:
    """Decodes the tokens of one text as they are generated.

    Characters are returned once all of their bytes have arrived, and never a part of a stop string:
    what may be its beginning is held back until it is certain.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()) -> None:
        from tokenizers.decoders import DecodeStream

        self.tokenizer = tokenizer
        self.stop = stop
        self.has_ended = False
        """Whether END or a stop string has arrived."""
        self.held_back = ""
        self._decoded = DecodeStream(skip_special_tokens=False)

    def add(self, token: int) -> str:
        """Return the text that is certain with this token; it may be empty."""
        if token == END_ID:
            self.has_ended = True
            return self.rest()
        if token < len(SPECIAL_TOKENS):
            return ""  # a special token, not text
        text = self.held_back + (self._decoded.step(self.tokenizer, token) or "")
        ends = [at for stop in self.stop if (at := text.find(stop)) >= 0]
        if ends:
            self.has_ended, self.held_back = True, ""
            return text[: min(ends)]
        certain = len(text) - self._overlap(text)
        self.held_back = text[certain:]
        return text[:certain]

    def rest(self) -> str:
        """Return what was held back, at the end of the text; half a character is dropped."""
        text, self.held_back = self.held_back, ""
        return text

    def _overlap(self, text: str) -> int:
        """Return the length of the longest end of the text with which a stop string begins."""
        longest = min(len(text), max(map(len, self.stop), default=1) - 1)
        sizes = range(longest, 0, -1)
        return next((n for n in sizes if any(s.startswith(text[-n:]) for s in self.stop)), 0)
