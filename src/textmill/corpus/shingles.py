"""Words and runs of words (shingles) of texts as hashes, computed for many texts at once.

Whatever the script: in scripts that are written without blanks every character counts as a word.
Case and punctuation do not count.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.words import UNSPACED, combining_mark_ranges

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

# Beside the ideographs and kana: Thai and Lao, Myanmar, Khmer, and rare ideographs.
_BY_CHARACTER = rf"[{UNSPACED}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U000323af]"
_LETTER, _CHARACTER = 1, 2
_OFFSETS = 256  # of a character in its word; they begin again in longer ones


@dataclass(frozen=True)
class Words:
    """The words of some texts, one after the other."""

    hashes: Hashes
    """(words,)"""
    documents: Places
    """(words,) the index of the text that each word stands in, ascending."""
    starts: Places
    """(words,) where each begins, counted in characters from the beginning of its text in lower
    case."""


def hash_words(texts: Sequence[str]) -> Words:
    """Return the words of texts as 64-bit hashes, the same on every machine and in every process.

    The hash of a word is the sum over its characters of a random number for the character times
    one for its place (multilinear hashing; Carter & Wegman 1979), mixed.
    """
    lowered = [text.lower() for text in texts]
    codes = np.frombuffer("\n".join(lowered).encode("utf-32-le", "surrogatepass"), np.uint32)
    begins = np.cumsum([0, *(len(text) + 1 for text in lowered)])
    table = _table()
    kinds = table.kinds[codes]
    is_letter = kinds == _LETTER
    is_start = kinds == _CHARACTER
    is_start |= is_letter
    is_start[1:] &= ~(is_letter[1:] & is_letter[:-1])
    starts = np.flatnonzero(is_start)
    if not len(starts):
        return Words(np.empty(0, np.uint64), starts, starts)
    offsets = np.arange(starts[0], len(codes)) - np.repeat(
        starts, np.diff(starts, append=len(codes))
    )
    offsets &= _OFFSETS - 1
    terms = table.characters[codes[starts[0] :]] * table.offsets[offsets]
    hashes = mix(np.add.reduceat(terms, starts - starts[0]))
    documents = np.searchsorted(begins, starts, side="right") - 1
    return Words(hashes, documents, starts - begins[documents])


def hash_runs(words: Words, length: int, *, keep_short: bool) -> tuple[Hashes, Places]:
    """Return the hashes of all runs of so many consecutive words, and where each begins.

    Args:
        words: of some texts; no run goes on from one text to the next.
        length: words of a run.
        keep_short: whether a text of fewer words is a run as a whole, or has none.

    Returns:
        (runs,) hashes in the order of the text, and (runs,) the index of the first word of each.
    """
    n_words = len(words.hashes)
    last = np.full(n_words, -1, np.int64)  # the text that the last word of the run stands in
    total = np.zeros(n_words, np.uint64)
    for place, factor in enumerate(_random_odd(length, seed=2)):
        if place >= n_words:
            break
        end = n_words - place
        terms = words.hashes[place:] * factor
        if place:
            terms *= words.documents[place:] == words.documents[:end]
        total[:end] += terms
        if place == length - 1:
            last[:end] = words.documents[place:]
    is_run = last == words.documents
    if keep_short:
        is_run |= np.diff(words.documents, prepend=-1) != 0
    first = np.flatnonzero(is_run)
    return mix(total[first]), first


def mix(values: Hashes) -> Hashes:
    """Return the values with every bit spread over all others (SplitMix64's last step).

    Source: Steele, Lea & Flood 2014 ("Fast Splittable Pseudorandom Number Generators"), fig. 15.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@dataclass(frozen=True)
class _Table:
    kinds: NDArray[np.uint8]
    """(code points,) letter of a word, character that is a word, or neither (0)."""
    characters: Hashes
    """(code points,) a random number for each that belongs to words, 0 for others."""
    offsets: Hashes


@cache
def _table() -> _Table:
    codes = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    every = codes.tobytes().decode("utf-32-le", "surrogatepass")
    kinds = np.zeros(len(every), np.uint8)
    # One pattern for letters and marks together would take 16 times as long.
    for pattern, kind in ((r"\w+", _LETTER), ("_", 0), (f"{_BY_CHARACTER}+", _CHARACTER)):
        for match in re.finditer(pattern, every):
            kinds[slice(*match.span())] = kind
    for first, last in combining_mark_ranges():
        marks = kinds[first : last + 1]
        marks[marks == 0] = _LETTER
    characters = mix(codes.astype(np.uint64) + np.uint64(1 << 40))
    return _Table(kinds, characters * (kinds > 0), _random_odd(_OFFSETS, seed=1))


def _random_odd(n: int, seed: int) -> Hashes:
    """Return odd numbers: multiplying by one loses no bit."""
    start = np.uint64(seed) << np.uint64(32)
    return mix(start + np.arange(1, n + 1, dtype=np.uint64)) | np.uint64(1)
