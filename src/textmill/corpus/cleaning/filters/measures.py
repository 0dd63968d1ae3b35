"""Text statistics for quality filters, computed for many texts at once in linear time.

Words are defined by `shingles`: in scripts without spaces, every character is a word.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.cleaning.document import Document
from textmill.corpus.shingles import (
    LETTER,
    MARK,
    Characters,
    Hashes,
    Places,
    Words,
    hash_runs,
    hash_words,
    read_characters,
    slices,
)

MAX_CHARS = 1 << 22
"""Longer texts are measured up to this length."""
_BATCH_CHARS = 1 << 17
_IN_NUMBERS = np.array([ord(character) for character in ".,:'-–/"], np.uint32)
_DIVIDERS = np.array([ord(character) for character in "-–—/"], np.uint32)
_SINGLE = np.array(
    [ord(character) for character in ",:;!?¿¡()[]{}<>_#*&'\"“”‘’`´„«»，：；！？（）"], np.uint32
)
# An n-gram's hash and the index of its first word are packed into 64 bits.
_PLACE_BITS = 24
_PLACE_MASK = np.uint64((1 << _PLACE_BITS) - 1)


@dataclass(frozen=True)
class Measures:
    """Statistics of one text."""

    n_chars: int
    """Number of measured characters."""
    n_words: int
    """A number with inner punctuation, such as 1,250.75 or 1914-18, counts as one word."""
    n_punctuation: int
    """Other characters except spaces; repetitions of the same one count once, except for brackets,
    quotes and the like."""
    n_alphabetic: int
    """Words with at least one letter."""
    mean_word_length: float | None
    """In characters; None if most words are characters in a script without spaces."""
    words: Hashes
    """(words,) hashes of the words."""
    top_ngrams: dict[int, float]
    """Share of characters in the most frequent n-gram, by n."""
    duplicate_ngrams: dict[int, float]
    """Share of characters in words of repeated n-grams, by n."""


def measures_of(
    documents: Sequence[Document],
    top_ngrams: Collection[int] = (),
    duplicate_ngrams: Collection[int] = (),
) -> list[Measures]:
    """Return the measures of each document, cached for all filters: see `measure`."""
    missing = [
        document
        for document in documents
        if document.measures is None
        or not document.measures.top_ngrams.keys() >= set(top_ngrams)
        or not document.measures.duplicate_ngrams.keys() >= set(duplicate_ngrams)
    ]
    texts = [document.text for document in missing]
    measured = measure(texts, list(top_ngrams), list(duplicate_ngrams))
    for document, measures in zip(missing, measured, strict=True):
        document.measures = measures
    return [document.measures for document in documents if document.measures is not None]


def measure(
    texts: Sequence[str], top_ngrams: Sequence[int], duplicate_ngrams: Sequence[int]
) -> list[Measures]:
    """Return the measures of each text.

    Args:
        texts: texts, of which at most `MAX_CHARS` characters are measured.
        top_ngrams: lengths of n-grams of which the most frequent is measured.
        duplicate_ngrams: lengths of n-grams of which repetitions are measured.
    """
    measured: list[Measures] = []
    for batch in slices(map(len, texts), _BATCH_CHARS):
        beginnings = [text[:MAX_CHARS] for text in texts[batch]]
        measured += _measure(beginnings, top_ngrams, sorted(duplicate_ngrams))
    return measured


def _measure(
    texts: Sequence[str], top_ngrams: Sequence[int], duplicate_ngrams: Sequence[int]
) -> list[Measures]:
    characters = read_characters(texts)
    words = hash_words(characters)
    lengths = characters.lengths
    n_texts = len(texts)
    sizes = np.array([max(1, len(text)) for text in texts])
    n_words = _count(words.documents, n_texts)
    tops = {n: _top_share(words, lengths, n, sizes) for n in top_ngrams}
    duplicates = _duplicate_shares(words, lengths, duplicate_ngrams, sizes)
    is_spaced = characters.kinds[characters.starts] == LETTER
    n_spaced = _count(words.documents[is_spaced], n_texts)
    spaced_chars = _count(words.documents, n_texts, lengths * is_spaced)
    places = _punctuation_places(characters, words, lengths)
    n_punctuation = _count(np.searchsorted(characters.begins, places, side="right") - 1, n_texts)
    has_letter = _has_letter(characters)
    n_alphabetic = _count(words.documents[has_letter], n_texts)
    n_parts = _count(words.documents[_continues_number(characters)], n_texts)
    hashes = np.split(words.hashes, np.cumsum(n_words[:-1]))
    return [
        Measures(
            n_chars=len(text),
            n_words=int(n_words[i] - n_parts[i]),
            n_punctuation=int(n_punctuation[i]),
            n_alphabetic=int(n_alphabetic[i]),
            mean_word_length=(
                float(spaced_chars[i] / n_spaced[i]) if 2 * n_spaced[i] > n_words[i] else None
            ),
            words=hashes[i],
            top_ngrams={n: float(shares[i]) for n, shares in tops.items()},
            duplicate_ngrams={n: float(shares[i]) for n, shares in duplicates.items()},
        )
        for i, text in enumerate(texts)
    ]


def _count(
    documents: Places, n_texts: int, weights: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    return np.bincount(documents, weights, n_texts).astype(np.int64)


def _continues_number(characters: Characters) -> NDArray[np.bool_]:
    """Return (words,) whether each is the part of a number after its inner punctuation."""
    codes, starts = characters.codes, characters.starts
    is_digit = (codes >= ord("0")) & (codes <= ord("9"))
    before = np.maximum(starts - 2, 0)
    is_inside = np.isin(codes[np.maximum(starts - 1, 0)], _IN_NUMBERS)
    return is_digit[starts] & is_inside & is_digit[before] & (starts > 1)


def _punctuation_places(characters: Characters, words: Words, lengths: NDArray[np.int64]) -> Places:
    """Return the positions of punctuation tokens.

    A run of the same character is one token, but brackets, quotes and the like are one each.
    Punctuation between two letters is part of a word, as in "don't" and "3.5", except for hyphens,
    dashes and slashes; so are the full stop of an abbreviation, and hyphens at the end of a word,
    as in "well--". These are the language-independent rules of spaCy's English tokenizer.
    """
    codes, kinds = characters.codes, characters.kinds
    is_punctuation = kinds == MARK
    edges = np.diff(is_punctuation.astype(np.int8), prepend=0, append=0)
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    inside = (begins > 0) & (ends < len(codes))
    begins, ends = begins[inside], ends[inside]
    is_inner = (kinds[begins - 1] == LETTER) & (kinds[ends] == LETTER)
    divides = (codes[begins] == codes[ends - 1]) & np.isin(codes[begins], _DIVIDERS)
    is_letter = _alphabetic()
    divides &= is_letter[codes[begins - 1]] & is_letter[codes[ends]]
    is_end = (kinds[begins - 1] == LETTER) & (codes[begins] == ord("-")) & ~is_inner
    is_inner &= ~divides
    covered = np.zeros(len(codes) + 1, np.int8)
    covered[begins[is_inner]] = 1
    covered[ends[is_inner]] -= 1
    is_punctuation &= np.cumsum(covered[:-1], dtype=np.int8) == 0
    is_punctuation[begins[is_end]] = False
    is_punctuation[1:] &= (codes[1:] != codes[:-1]) | np.isin(codes[1:], _SINGLE)
    is_punctuation[_abbreviation_stops(characters, words, lengths)] = False
    return np.flatnonzero(is_punctuation)


def _abbreviation_stops(characters: Characters, words: Words, lengths: NDArray[np.int64]) -> Places:
    """Return the positions of full stops after initials and titles."""
    is_initial = (lengths == 1) & _alphabetic()[characters.codes[characters.starts]]
    is_short = np.isin(words.hashes, _titles()) | is_initial
    after: Places = characters.starts[is_short] + lengths[is_short]
    after = after[after < len(characters.codes)]
    found: Places = after[characters.codes[after] == ord(".")]
    return found


@cache
def _titles() -> Hashes:
    return hash_words(read_characters(["mr mrs ms dr st prof jr sr vs co inc ltd"])).hashes


def _has_letter(characters: Characters) -> NDArray[np.bool_]:
    if not len(characters.starts):
        return np.empty(0, np.bool_)
    is_letter = _alphabetic()[characters.codes]
    return np.logical_or.reduceat(is_letter, characters.starts)


@cache
def _alphabetic() -> NDArray[np.bool_]:
    """Return (code points,) whether each is a letter."""
    codes = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    every = codes.tobytes().decode("utf-32-le", "surrogatepass")
    found = np.zeros(len(every), np.bool_)
    for match in re.finditer(r"[^\W\d_]+", every):
        found[slice(*match.span())] = True
    return found


def _sorted_ngrams(words: Words, length: int) -> tuple[Places, NDArray[np.bool_]]:
    """Return all n-grams, grouped by equality, and which ones are repetitions.

    Returns:
        (ngrams,) index of the first word of each n-gram, ascending within groups of equal n-grams
        of a text; and (ngrams,) whether the previous one is equal.
    """
    hashes, first = hash_runs(words, length, keep_short=False)
    packed = (hashes & ~_PLACE_MASK) | first.astype(np.uint64)
    packed.sort()
    places = (packed & _PLACE_MASK).astype(np.int64)
    is_repeat = np.zeros(len(places), np.bool_)
    documents = words.documents[places]
    is_repeat[1:] = (packed[1:] ^ packed[:-1]) <= _PLACE_MASK
    is_repeat[1:] &= documents[1:] == documents[:-1]
    return places, is_repeat


def _top_share(
    words: Words, lengths: NDArray[np.int64], n: int, sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (texts,) the character share of the most frequent n-gram; 0 if none is repeated.

    Ties go to the first n-gram. Characters between its words are included.
    """
    places, is_repeat = _sorted_ngrams(words, n)
    heads = np.flatnonzero(~is_repeat)
    counts = np.diff(heads, append=len(places))
    heads, counts = heads[counts > 1], counts[counts > 1]
    first = places[heads]
    best = np.zeros(len(sizes), np.int64)
    ranks = (counts << _PLACE_BITS) + (int(_PLACE_MASK) - first)
    np.maximum.at(best, words.documents[first], ranks)
    has_any = best > 0
    first = int(_PLACE_MASK) - (best[has_any] & int(_PLACE_MASK))
    last = first + n - 1
    shares = np.zeros(len(sizes))
    spans = words.starts[last] + lengths[last] - words.starts[first]
    shares[has_any] = (best[has_any] >> _PLACE_BITS) * spans / sizes[has_any]
    return shares


def _duplicate_shares(
    words: Words,
    lengths: NDArray[np.int64],
    ngrams: Sequence[int],
    sizes: NDArray[np.int64],
) -> dict[int, NDArray[np.float64]]:
    shares: dict[int, NDArray[np.float64]] = {}
    for n in ngrams:
        places, is_repeat = _sorted_ngrams(words, n)
        repeated = places[is_repeat]
        edges = np.zeros(len(words.hashes) + 1, np.int64)
        np.add.at(edges, repeated, 1)
        np.add.at(edges, repeated + n, -1)
        is_covered = np.cumsum(edges[:-1]) > 0
        covered = _count(words.documents, len(sizes), lengths * is_covered)
        shares[n] = covered / sizes
        # A text without repeated n-grams has no longer repeated ones: search only the others.
        has_repeat = covered[words.documents] > 0
        words = Words(
            words.hashes[has_repeat], words.documents[has_repeat], words.starts[has_repeat]
        )
        lengths = lengths[has_repeat]
    return shares
