"""The spelling of words and of their neighbours, as features of linear models and of the network.

A small language model reads subword tokens and sees little of how a rare word is written, which is
what linear taggers decide by (Ratnaparkhi 1996, table 1). For the network, features are mapped to
rows of a table by a hash instead of a dictionary (Weinberger et al. 2009).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.words import word_shape

REACH = 2
"""Number of neighbours on each side that are features of a word."""
MAX_BETWEEN = 4
"""Words between a word and the predicate from which on these are no feature."""
MAX_AFFIX_CHARS = 4
"""Maximum length of the prefixes and suffixes of a word."""


def spelling_features(words: Sequence[str], is_by_character: bool) -> Iterator[list[str]]:
    """Yield the features of each word, such as `word=London`; all words have equally many.

    Args:
        words: the words of a text.
        is_by_character: whether each word is one character.
    """
    around = [""] * REACH
    lowered = [*around, *(word.lower() for word in words), *around]
    shapes = [*around, *(word_shape(word) for word in words), *around]
    for at, word in enumerate(words):
        window = slice(at, at + 2 * REACH + 1)
        if is_by_character:
            yield _of_character(lowered[window], shapes[window])
        else:
            yield [*_of_form(word), *_of_context(lowered[window], shapes[window])]


def character_features(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield features of each character that only linear models use, such as `0:triple=有限公`.

    Triples of adjacent characters, and which of them are equal (reduplication: Tseng et al. 2005,
    section 2).
    """
    around = [""] * REACH
    lowered = [*around, *(word.lower() for word in words), *around]
    for at in range(len(words)):
        before, left, this, right, after = lowered[at : at + 2 * REACH + 1]
        yield [
            f"-2:triple={before}{left}{this}",
            f"-1:triple={left}{this}{right}",
            f"0:triple={this}{right}{after}",
            f"equal={this == before}{this == left}{this == right}",
        ]


def predicate_features(words: Sequence[str], predicate: int) -> Iterator[list[str]]:
    """Yield the features of each word that depend on the predicate, such as `predicate=sold`.

    They are of the kind of Gildea & Jurafsky 2002 (section 4.2), without a parse tree.
    """
    lowered = [word.lower() for word in words]
    verb = lowered[predicate]
    n_commas = [0, *accumulate(word == "," for word in lowered)]
    for at, word in enumerate(lowered):
        first, after = sorted((at, predicate))
        side = "before" if at < predicate else "after" if at > predicate else "at"
        is_near = after - first <= MAX_BETWEEN
        between = " ".join(lowered[first + 1 : after]) if is_near else "many"
        commas = max(0, n_commas[after] - n_commas[first + 1])
        before = lowered[at - 1] if at else ""
        yield [
            f"predicate={verb}",
            f"side={side}",
            f"distance={side} {min(after - first, 12)}",
            f"side_and_predicate={side} {verb}",
            f"side_and_word={side} {word}",
            f"side_and_before={side} {before}",
            f"predicate_and_word={verb} {word}",
            f"side_and_suffix={side} {verb[-3:]}",
            f"side_and_shape={side} {word_shape(words[at])}",
            f"between={side} {between}",
            f"commas={side} {min(commas, 3)}",
        ]


def spelling_rows(words: Sequence[str], is_by_character: bool, n_rows: int) -> NDArray[np.int32]:
    """Return the rows of the features of each word, (words, features), each below n_rows.

    Args:
        words: the words of a text.
        is_by_character: whether each word is one character.
        n_rows: of the table, in which different features may share a row; 0: no features.
    """
    if not n_rows:
        return np.empty((len(words), 0), dtype=np.int32)
    rows = [
        # Python's own hash differs between processes.
        [zlib.crc32(feature.encode("utf-8", "surrogatepass")) % n_rows for feature in features]
        for features in spelling_features(words or [""], is_by_character)
    ]
    return np.array(rows, dtype=np.int32)[: len(words)]


@lru_cache(2**14)
def _of_form(word: str) -> tuple[str, ...]:
    """Return the features of a word by itself."""
    lengths = range(1, MAX_AFFIX_CHARS + 1)
    prefixes = (f"prefix{n}={word[:n]}" for n in lengths)
    suffixes = (f"suffix{n}={word[-n:]}" for n in lengths)
    return (f"word={word}", f"lower={word.lower()}", *prefixes, *suffixes)


def _of_context(lowered: Sequence[str], shapes: Sequence[str]) -> Iterator[str]:
    """Yield the features of a word among its neighbours."""
    left, word, right = lowered[REACH - 1 : REACH + 2]
    for offset, (form, its_shape) in enumerate(zip(lowered, shapes, strict=True), -REACH):
        yield f"{offset}:shape={its_shape}"
        if offset:
            yield f"{offset}:lower={form}"
    yield f"pair={left} {word}"
    yield f"next_pair={word} {right}"
    yield f"shapes={' '.join(shapes[REACH - 1 : REACH + 2])}"
    yield f"left_and_shape={left} {shapes[REACH]}"
    yield f"shape_and_right={shapes[REACH]} {right}"


def _of_character(characters: Sequence[str], shapes: Sequence[str]) -> list[str]:
    """Return the features of a character among its neighbours."""
    around = [f"{offset}:character={c}" for offset, c in enumerate(characters, -REACH)]
    pairs = [f"{offset}:pair={a}{b}" for offset, (a, b) in enumerate(pairwise(characters), -REACH)]
    classes = [f"{offset}:shape={c}" for offset, c in enumerate(shapes[REACH - 1 : REACH + 2], -1)]
    return [*around, *pairs, *classes]
