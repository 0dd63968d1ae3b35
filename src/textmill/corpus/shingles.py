"""Words and runs of words (shingles) of texts as hashes, computed for many texts at once.

Whatever the script: in scripts that are written without spaces every character counts as a word.
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
_GROUP = 8  # bytes that are one number
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(_GROUP + 1)], np.uint64)  # of so many bytes
_PLACES = 256  # of a group in its word; their factors begin again in longer ones


@dataclass(frozen=True)
class Characters:
    """The characters of some texts in lower case, with one line break between two texts."""

    codes: NDArray[np.uint16] | NDArray[np.uint32]
    """(characters,) their code points."""
    kinds: NDArray[np.uint8]
    """(characters,) `LETTER`, `CHARACTER`, `MARK` or `BLANK`."""
    begins: Places
    """(texts,) where each text begins."""
    starts: Places
    """(words,) where each word begins."""
    lengths: Places
    """(words,) characters of each word."""


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
    codes = _codes("\n".join(lowered))
    begins = np.cumsum([0, *(len(text) + 1 for text in lowered)])[:-1]
    kinds = _kinds().take(codes)
    is_letter = kinds == LETTER
    is_start = (kinds == CHARACTER) | is_letter
    is_end = is_start.copy()
    goes_on = is_letter[1:] & is_letter[:-1]
    is_start[1:] &= ~goes_on
    is_end[:-1] &= ~goes_on
    starts = np.flatnonzero(is_start)
    return Characters(codes, kinds, begins, starts, np.flatnonzero(is_end) + 1 - starts)


def _codes(text: str) -> NDArray[np.uint16] | NDArray[np.uint32]:
    content = text.encode("utf-16-le", "surrogatepass")
    if len(content) == 2 * len(text):  # no character takes two units
        return np.frombuffer(content, "<u2")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def hash_words(characters: Characters) -> Words:
    """Return the words as 64-bit hashes, the same on every machine and in every process.

    The lowest bytes of all characters are hashed, and where there are any in a word, the higher
    ones as well: so a word has the same hash whatever stands beside it.
    """
    begins, starts, lengths = characters.begins, characters.starts, characters.lengths
    codes = characters.codes * ((characters.kinds == LETTER) | (characters.kinds == CHARACTER))
    hashes = _hash_bytes(codes.astype(np.uint8), starts, lengths)
    for factor in _random_odd(2, seed=3):
        codes = codes >> 8
        if not codes.any():
            break
        hashes += factor * _hash_bytes(codes.astype(np.uint8), starts, lengths)
    counts = np.diff(np.searchsorted(starts, begins), append=len(starts))
    documents = np.repeat(np.arange(len(begins)), counts)
    return Words(hashes, documents, starts - np.repeat(begins, counts))


def _hash_bytes(values: NDArray[np.uint8], starts: Places, lengths: Places) -> Hashes:
    """Return (words,) hashes of the bytes of each word: 0 if all are 0.

    Eight bytes at a time are one number, and mixed. That is the hash of a short word, so that no
    two of them have the same; of a longer one it is the sum of its numbers times a random one for
    each place (multilinear hashing; Carter & Wegman 1979).
    """
    padded = np.concatenate((values, np.zeros(_GROUP, np.uint8)))
    groups = np.ndarray(len(values), "<u8", padded, strides=(1,))  # one begins at every byte
    hashes = mix(groups[starts] & _MASKS.take(lengths, mode="clip"))
    long = np.flatnonzero(lengths > _GROUP)
    if len(long):
        counts = -(-lengths[long] // _GROUP)
        word, place = np.repeat(long, counts), places_within(counts)
        numbers = groups[starts[word] + _GROUP * place]
        numbers &= _MASKS.take(lengths[word] - _GROUP * place, mode="clip")
        terms = mix(numbers) * _place_factors().take(place, mode="wrap")
        hashes[long] = _sums(terms, counts)
    return hashes


def _sums(terms: Hashes, counts: Places) -> Hashes:
    """Return (groups,) the sum of each group of so many terms."""
    if not len(counts):
        return np.empty(0, np.uint64)
    return np.add.reduceat(terms, np.cumsum(counts) - counts)


def places_within(counts: Places) -> Places:
    """Return 0, 1, ... for each group of so many items, one group after the other."""
    ends = np.cumsum(counts)
    return np.arange(counts.sum()) - np.repeat(ends - counts, counts)


def hash_runs(words: Words, length: int, *, keep_short: bool) -> tuple[Hashes, Places]:
    """Return the hashes of all runs of so many consecutive words, and where each begins.

    Args:
        words: of some texts; no run goes on from one text to the next.
        length: words of a run.
        keep_short: whether a text of fewer words is a run as a whole, or has none.

    Returns:
        (runs,) hashes in the order of the text, and (runs,) the index of the first word of each.
    """
    hashes, documents = words.hashes, words.documents
    factors = _random_odd(length, seed=2)
    n_runs = max(0, len(hashes) - length + 1)
    sums = np.zeros(len(hashes), np.uint64)
    is_run = np.zeros(len(hashes), np.bool_)
    for place, factor in enumerate(factors):
        sums[:n_runs] += hashes[place : place + n_runs] * factor
    is_run[:n_runs] = documents[:n_runs] == documents[length - 1 :]
    if keep_short:
        edges = np.searchsorted(documents, np.arange(documents.max(initial=-1) + 2))
        begins, counts = edges[:-1], np.diff(edges)
        is_short = (counts > 0) & (counts < length)
        begins, counts = begins[is_short], counts[is_short]
        within = places_within(counts)
        terms = hashes[np.repeat(begins, counts) + within] * factors[within]
        sums[begins] = _sums(terms, counts)
        is_run[begins] = True
    first = np.flatnonzero(is_run)
    return mix(sums[first]), first


def mix(values: Hashes) -> Hashes:
    """Return the values with every bit spread over all others (SplitMix64's last step).

    Source: Steele, Lea & Flood 2014 ("Fast Splittable Pseudorandom Number Generators"), fig. 15.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@cache
def _kinds() -> NDArray[np.uint8]:
    """Return (code points,) the kind of each."""
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
    return kinds


@cache
def _place_factors() -> Hashes:
    return _random_odd(_PLACES, seed=1)


def _random_odd(n: int, seed: int) -> Hashes:
    """Return odd numbers: multiplying by one loses no bit."""
    start = np.uint64(seed) << np.uint64(32)
    return mix(start + np.arange(1, n + 1, dtype=np.uint64)) | np.uint64(1)
