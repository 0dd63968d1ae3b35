"""Fast encoding with tiktoken where it gives the same ids as the tokenizer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tiktoken
    from tokenizers import Tokenizer

Encoder = Callable[[list[str]], list[list[int]]]
"""Returns the token ids of each text."""

# The pattern of tokenizers' ByteLevel, which is GPT-2's. Both libraries define \p{L}, \p{N} and \s
# identically up to U+30D3F, which includes all ideographs in use.
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
ONE_CHARACTER = r"(?s:.)"
# tiktoken overflows its stack on very long runs of spaces, such as two million.
_LONG_SPACE = re.compile(r"\s{5000}")
_RARE_PLANES = re.compile("[\U00030d40-\U0010ffff]")


def fast_encoder(tokenizer: Tokenizer) -> Encoder:
    """Return an encoder with the ids of `tokenizer.encode_batch_fast`, special tokens as text.

    It uses tiktoken for byte-level BPEs with provably equal ids (see `to_tiktoken`), except for
    texts that it does not handle; tokenizers otherwise.
    """
    encoding = to_tiktoken(tokenizer)
    if encoding is None:
        return lambda texts: [found.ids for found in tokenizer.encode_batch_fast(texts)]
    placeholders = encoding.special_tokens_set

    def encode(texts: list[str]) -> list[list[int]]:
        return [
            tokenizer.encode(text).ids
            if _LONG_SPACE.search(text) or _RARE_PLANES.search(text)
            else encoding.encode(text, allowed_special=placeholders, disallowed_special=())
            for text in texts
        ]

    return encode


def to_tiktoken(tokenizer: Tokenizer) -> tiktoken.Encoding | None:
    """Return a tiktoken encoding with the ids of a byte-level BPE, or None if they could differ.

    Both libraries merge the pair of lowest rank, leftmost first; tokenizers only listed pairs,
    tiktoken every pair whose concatenation is a token. The results are equal if ids increase in the
    order of the merges and every token, encoded on its own, is a single token. Proof: suppose two
    adjacent tokens form a token without being a listed pair. No merge has crossed their boundaries,
    so encoding their concatenation on its own would yield the same two tokens: that token would not
    be encoded as a single one.
    """
    import tiktoken

    described = json.loads(tokenizer.to_str())
    pattern = _pattern_of(described)
    if pattern is None:
        return None
    letters = _bytes_of_letters()
    added = {token["content"]: token for token in described["added_tokens"]}
    vocabulary = {t: i for t, i in described["model"]["vocab"].items() if t not in added}
    if not all(letters.keys() >= set(token) for token in vocabulary):
        return None
    ranks = {bytes(letters[c] for c in token): i for token, i in vocabulary.items()}
    if pattern == ONE_CHARACTER and not all(map(_is_in_one_character, ranks)):
        return None
    made = ["".join(pair) for pair in described["model"]["merges"]]
    in_order = [vocabulary.get(token, -1) for token in made]
    if in_order != sorted(set(in_order)) or not _encode_to_themselves(tokenizer, vocabulary):
        return None
    placeholders = {text: t["id"] for text, t in added.items() if not t["special"]}
    return tiktoken.Encoding(
        "textmill", pat_str=pattern, mergeable_ranks=ranks, special_tokens=placeholders
    )


def _pattern_of(described: dict[str, Any]) -> str | None:
    """Return the pre-tokenization pattern, or None if tiktoken has no equivalent."""
    model, words = described["model"], described["pre_tokenizer"]
    plain = (
        (model["dropout"], model["ignore_merges"], model["byte_fallback"])
        if (model["type"] == "BPE")
        else (True,)
    )
    affixes = (model.get("continuing_subword_prefix"), model.get("end_of_word_suffix"))
    added = [t[f] for t in described["added_tokens"] for f in ("single_word", "lstrip", "rstrip")]
    if any(plain) or any(affixes) or any(added) or described["normalizer"] or not words:
        return None
    if words["type"] != "ByteLevel" or words["add_prefix_space"]:
        return None
    return GPT2_PATTERN if words["use_regex"] else ONE_CHARACTER


def _encode_to_themselves(tokenizer: Tokenizer, vocabulary: dict[str, int]) -> bool:
    return all(
        [part.id for part in tokenizer.model.tokenize(token)] == [number]
        for token, number in vocabulary.items()
    )


def _is_in_one_character(token: bytes) -> bool:
    return len(token) == 1 or (token[0] >= 0xC0 and all(0x80 <= b < 0xC0 for b in token[1:]))


def _bytes_of_letters() -> dict[str, int]:
    """Return the byte of each character in the vocabulary (GPT-2's encoder.py).

    Printable Latin-1 characters represent themselves; the others are mapped, in order, to U+0100
    and above.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + place): byte for place, byte in enumerate(others)
    }
