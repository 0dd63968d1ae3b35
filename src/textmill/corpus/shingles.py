"""Hashes of words and of n-grams of words (shingles), vectorised over many texts.

In scripts written without spaces, every character counts as a word. Case and punctuation are
ignored.
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

# In addition to ideographs and kana: Thai and Lao, Myanmar, Khmer, and rare ideographs.
_BY_CHARACTER = rf"[{UNSPACED}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U000323af]"
SPACE, LETTER, CHARACTER, MARK = range(4)
"""Kinds of character: white space; part of a word; a word of its own; any other."""
_GROUP = 8  # bytes per 64-bit number
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(_GROUP + 1)], np.uint64)  # by number of bytes
_PLACES = 256  # positions of a group in its word, each with its factor; cyclic in longer words


@dataclass(frozen=True)
class Characters:
    """The characters of several texts in lower case, with a line break between texts."""

    codes: NDArray[np.uint16] | NDArray[np.uint32]
    """(characters,) code points."""
    kinds: NDArray[np.uint8]
    """(characters,) `LETTER`, `CHARACTER`, `MARK` or `SPACE`."""
    begins: Places
    """(texts,) start of each text."""
    starts: Places
    """(words,) start of each word."""
    lengths: Places
    """(words,) length of each word, in characters."""


@dataclass(frozen=True)
class Words:
    """The words of several texts, concatenated."""

    hashes: Hashes
    """(words,)"""
    documents: Places
    """(words,) index of each word's text, ascending."""
    starts: Places
    """(words,) start of each word, in characters of its lower-case text."""


def slices(sizes: Iterable[int], max_size: int) -> Iterator[slice]:
    """Yield slices of consecutive items with a total size of at most max_size.

    An item larger than that is a slice of its own.
    """
    begin = end = total = 0
    for size in sizes:
        if end > begin and total + size > max_size:
            yield slice(begin, end)
            begin, total = end, 0
        end += 1
        total += size
    if end > begin:
        yield slice(begin, end)


def read_characters(texts: Sequence[str]) -> Characters:
    """Return the characters of texts, and the boundaries of their words."""
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

    The lowest bytes of the characters are hashed, and the higher ones if a word has any: the hash
    of a word does not depend on the other words.
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

    Each group of eight bytes is one mixed number. For a short word, this is the hash, without
    collisions; for a longer one, the hash is the sum of its numbers times a random factor per
    position (multilinear hashing; Carter & Wegman 1979).
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
    """Return (groups,) the sum of each group of terms, given the groups' sizes."""
    if not len(counts):
        return np.empty(0, np.uint64)
    return np.add.reduceat(terms, np.cumsum(counts) - counts)


def places_within(counts: Places) -> Places:
    """Return the index of each item in its group, given the groups' sizes."""
    ends = np.cumsum(counts)
    return np.arange(counts.sum()) - np.repeat(ends - counts, counts)


def hash_runs(words: Words, length: int, *, keep_short: bool) -> tuple[Hashes, Places]:
    """Return the hashes of all n-grams of words, and where each begins.

    Args:
        words: words of several texts; n-grams do not cross texts.
        length: words per n-gram.
        keep_short: whether a shorter text is one n-gram as a whole, or has none.

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
    """Return the values with their bits mixed (SplitMix64's finalizer).

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
    # One pattern for letters and combining marks together takes 16 times as long.
    patterns = ((r"\s+", SPACE), (r"\w+", LETTER), ("_", MARK), (f"{_BY_CHARACTER}+", CHARACTER))
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
    """Return random odd numbers, which are invertible factors."""
    start = np.uint64(seed) << np.uint64(32)
    return mix(start + np.arange(1, n + 1, dtype=np.uint64)) | np.uint64(1)
