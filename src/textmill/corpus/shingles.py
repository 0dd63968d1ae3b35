"""Words and runs of words (shingles) of texts as hashes, computed for many texts at once.

Whatever the script: in scripts that are written without blanks every character counts as a word.
Case and punctuation do not count.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.words import combining_mark_ranges
from textmill.safety.characters import UNSPACED

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

# Beside the ideographs and kana: Thai and Lao, Myanmar, Khmer, and rare ideographs.
_BY_CHARACTER = rf"[{UNSPACED}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U000323af]"
BLANK, LETTER, CHARACTER, MARK = range(4)
"""Kinds of character: white space; part of a word; a word of its own; any other."""
_OFFSETS = 256  # of a character in its word; they begin again in longer ones


@dataclass(frozen=True)
class Characters:
    """The characters of some texts in lower case, with one line break between two texts."""

    codes: NDArray[np.uint32]
    """(characters,) their code points."""
    kinds: NDArray[np.uint8]
    """(characters,) `LETTER`, `CHARACTER`, `MARK` or `BLANK`."""
    begins: Places
    """(texts,) where each text begins."""
    starts: Places
    """(words,) where each word begins."""


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


def slices(sizes: Iterable[int], most: int) -> Iterator[slice]:
    """Yield slices of consecutive items that are computed at once: together of at most that size.

    An item that is larger alone stands alone.
    """
    begin = end = total = 0
    for size in sizes:
        if end > begin and total + size > most:
            yield slice(begin, end)
            begin, total = end, 0
        end += 1
        total += size
    if end > begin:
        yield slice(begin, end)


def read_characters(texts: Sequence[str]) -> Characters:
    """Return the characters of texts and where words begin."""
    lowered = [text.lower() for text in texts]
    codes = np.frombuffer("\n".join(lowered).encode("utf-32-le", "surrogatepass"), np.uint32)
    begins = np.cumsum([0, *(len(text) + 1 for text in lowered)])[:-1]
    kinds = _table().kinds[codes]
    is_letter = kinds == LETTER
    is_start = kinds == CHARACTER
    is_start |= is_letter
    is_start[1:] &= ~(is_letter[1:] & is_letter[:-1])
    return Characters(codes, kinds, begins, np.flatnonzero(is_start))


def hash_words(characters: Characters) -> Words:
    """Return the words as 64-bit hashes, the same on every machine and in every process.

    The hash of a word is the sum over its characters of a random number for the character times
    one for its place (multilinear hashing; Carter & Wegman 1979), mixed.
    """
    codes, starts = characters.codes, characters.starts
    if not len(starts):
        return Words(np.empty(0, np.uint64), starts, starts)
    table = _table()
    first = starts[0]
    offsets = np.arange(first, len(codes)) - np.repeat(starts, np.diff(starts, append=len(codes)))
    offsets &= _OFFSETS - 1
    terms = table.numbers[codes[first:]] * table.offsets[offsets]
    hashes = mix(np.add.reduceat(terms, starts - first))
    documents = np.searchsorted(characters.begins, starts, side="right") - 1
    return Words(hashes, documents, starts - characters.begins[documents])


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
    """(code points,)"""
    numbers: Hashes
    """(code points,) a random number for each that belongs to words, 0 for others."""
    offsets: Hashes
    """(256,) a random number for each place in a word."""


@cache
def _table() -> _Table:
    codes = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    every = codes.tobytes().decode("utf-32-le", "surrogatepass")
    kinds = np.full(len(every), MARK, np.uint8)
    # One pattern for letters and combining marks together would take 16 times as long.
    patterns = ((r"\s+", BLANK), (r"\w+", LETTER), ("_", MARK), (f"{_BY_CHARACTER}+", CHARACTER))
    for pattern, kind in patterns:
        for match in re.finditer(pattern, every):
            kinds[slice(*match.span())] = kind
    for first, last in combining_mark_ranges():
        combining = kinds[first : last + 1]
        combining[combining == MARK] = LETTER
    is_word = (kinds == LETTER) | (kinds == CHARACTER)
    numbers = mix(codes.astype(np.uint64) + np.uint64(1 << 40)) * is_word
    return _Table(kinds, numbers, _random_odd(_OFFSETS, seed=1))


def _random_odd(n: int, seed: int) -> Hashes:
    """Return odd numbers: multiplying by one loses no bit."""
    start = np.uint64(seed) << np.uint64(32)
    return mix(start + np.arange(1, n + 1, dtype=np.uint64)) | np.uint64(1)
