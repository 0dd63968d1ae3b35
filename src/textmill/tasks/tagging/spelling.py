"""The spelling of words and of their neighbours, as hashed features.

A small language model reads subword tokens and sees little of how a rare word is written, which is
what linear taggers decide by (Ratnaparkhi 1996, table 1). Features are mapped to rows of a table by
a hash instead of a dictionary (Weinberger et al. 2009).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

REACH = 2
"""Number of neighbours on each side that are features of a word."""
WINDOW = 2 * REACH + 1
MAX_AFFIX_CHARS = 4
"""Maximum length of the prefixes and suffixes of a word."""


def spelling_rows(words: Sequence[str], is_by_character: bool, n_rows: int) -> NDArray[np.int32]:
    """Return the rows of the features of each word, (words, features), each below n_rows.

    Args:
        words: the words of a text.
        is_by_character: whether each word is one character.
        n_rows: of the table, in which different features may share a row; 0: no features.
    """
    if not n_rows:
        return np.empty((len(words), 0), dtype=np.int32)
    around = [""] * REACH
    lowered = [*around, *(word.lower() for word in words or [""]), *around]
    own = _of_character if is_by_character else _of_word
    rows = [
        [*own(word, n_rows), *_of_window(lowered[at : at + WINDOW], is_by_character, n_rows)]
        for at, word in enumerate(words or [""])
    ]
    return np.array(rows, dtype=np.int32)[: len(words)]


@lru_cache(2**16)
def _of_word(word: str, n_rows: int) -> tuple[int, ...]:
    lengths = range(1, MAX_AFFIX_CHARS + 1)
    features = {
        "word": word,
        "lower": word.lower(),
        "shape": shape(word),
        **{f"prefix{n}": word[:n] for n in lengths},
        **{f"suffix{n}": word[-n:] for n in lengths},
    }
    return tuple(_row(f"{name} {value}", n_rows) for name, value in features.items())


@lru_cache(2**16)
def _of_character(character: str, n_rows: int) -> tuple[int, ...]:
    return (_row(f"shape {shape(character)}", n_rows),)


def _of_window(window: Sequence[str], is_by_character: bool, n_rows: int) -> Iterator[int]:
    """Yield the rows of lower-cased words and pairs of words around and with the middle one."""
    for offset, word in enumerate(window):
        if is_by_character or offset != REACH:
            yield _row(f"at{offset} {word}", n_rows)
    for offset, (left, right) in enumerate(pairwise(window)):
        if is_by_character or offset in (REACH - 1, REACH):
            yield _row(f"pair{offset} {left} {right}", n_rows)
    if is_by_character:
        yield _row(f"triple {' '.join(window[REACH - 1 : REACH + 2])}", n_rows)


def shape(word: str) -> str:
    """Return the character classes of a word, with runs collapsed: "McDonald" becomes "XxXx"."""
    found = ""
    for character in word:
        kind = "X" if character.isupper() else "x" if character.isalpha() else character
        kind = "0" if character.isdigit() else kind
        if not found.endswith(kind):
            found += kind
    return found


def _row(feature: str, n_rows: int) -> int:
    # Python's own hash differs between processes.
    return zlib.crc32(feature.encode("utf-8", "surrogatepass")) % n_rows
