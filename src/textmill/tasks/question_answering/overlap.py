"""Features of the words of a passage, given a question: what a reader without understanding uses.

Answers stand near the words of the question, in the sentence that has most of them, and have the
form that the question asks for, such as a number after "how many". Linear models of such features
are the baseline of SQuAD (Rajpurkar et al. 2016, section 5.1), and exact matches are an input of
the reader of Chen et al. 2017 (section 3.2), whose ablation loses most without them.

Features are mapped to rows of a table by a hash instead of a dictionary (Weinberger et al. 2009).
The last unit of a passage stands for "no answer".
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import count

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.words import word_shape
from textmill.safety.characters import UNSPACED
from textmill.tasks.question_answering.examples import Spec

REACH = 10
"""Words on each side among which the words of the question are counted."""
STEM_CHARS = 5
"""Words match that have this beginning in common, such as "invented" and "invention"."""
MAX_TYPES = 4
"""Maximum words of a question that each word of the passage is combined with."""
SENTENCE_ENDS = frozenset(".!?。！？…")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_DISTANCES = np.array([1, 2, 3, 4, 6, 10, 20], np.int64)
"""The distances, in words, with which further classes of distances begin."""

Integers = NDArray[np.integer]
PADDING = 0
"""The row without a feature."""


def overlap_rows(
    spec: Spec, question: Sequence[str], words: Sequence[str], n_rows: int, *, is_lexical: bool
) -> NDArray[np.int32]:
    """Return the rows of the features of each word, and of "no answer", (words + 1, features).

    Args:
        spec: the words of questions that matter.
        question: the words of the question.
        words: the words of the passage.
        n_rows: of the table, in which different features may share a row.
        is_lexical: whether the words themselves and their neighbours are features.
    """
    asked = [word.lower() for word in question]
    lowered = [word.lower() for word in words]
    found = _matches(asked, lowered, spec)
    forms, shapes = _codes(lowered), _codes([word_shape(word) for word in words])
    is_found: NDArray[np.bool_] = np.asarray(found.any(axis=0))
    left, right = _distances(is_found), _distances(is_found[::-1])[::-1]
    near = _near(found)
    rank = _sentence_ranks(found, lowered)
    state = is_found.astype(np.int64) + _repeats(asked, lowered)
    before, after = _shifted(state, 1), _shifted(state, -1)
    types: list[int | None] = [_code(word) for word in spec.type_words if word in asked]
    missing = len(found) - int(found.any(axis=1).sum())
    none = np.array([min(missing, 5), min(len(found), 8), int(near.max(initial=0))], np.int64)

    table = _Table(n_rows, len(words) + 1)
    table.add(state, none[0])
    table.add(left, none[1])
    table.add(right, none[2])
    table.add(left * 16 + right, none[0] * 16 + none[1])
    table.add(near, none[0] * 16 + none[2])
    table.add(rank, 0)
    table.add(rank * 16 + near, 0)
    table.add((before * 4 + state) * 4 + after, 0)
    table.add(rank * 16 + np.minimum(left, right), 0)
    for code in (*types, *[None] * MAX_TYPES)[:MAX_TYPES]:
        table.add_pair(code, shapes, none[0])
        if is_lexical:  # words and shapes are different values
            table.add_pair(code, forms + (1 << 33), none[0] * 16 + none[1])
    if is_lexical:
        table.add(forms, 0)
        table.add(_shifted(forms, 1), 0)
        table.add(_shifted(forms, -1), 0)
        table.add(_shifted(shapes, 1) * 3 + shapes * 5 + _shifted(shapes, -1) * 7, 0)
    return table.rows()


class _Table:
    """Collects the features of all words and of "no answer", a column each."""

    def __init__(self, n_rows: int, n_units: int) -> None:
        self.n_rows, self.n_units = n_rows, n_units
        self._columns: list[NDArray[np.uint64]] = []
        self._numbers = count(1)

    def add(self, values: Integers, none: int | np.integer) -> None:
        """Add a feature with a value for each word, and one for "no answer"."""
        self._columns.append(self._mixed(next(self._numbers), values, none))

    def add_pair(self, code: int | None, values: Integers, none: int | np.integer) -> None:
        """Add the combination of a word of the question, None if there is none, with each value."""
        self._columns.append(
            np.full(self.n_units, PADDING, np.uint64)
            if code is None
            else self._mixed(code, values, none)
        )

    def _mixed(self, salt: int, values: Integers, none: int | np.integer) -> NDArray[np.uint64]:
        """Return the rows of values, by the finalizer of SplitMix64 (Steele et al. 2014)."""
        mixed = np.append(values, none).astype(np.uint64)
        with np.errstate(over="ignore"):
            mixed[-1] += np.uint64(1 << 40)  # "no answer" shares no feature with words
            mixed += np.uint64(salt) * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(31)
        return mixed % np.uint64(self.n_rows - 1) + np.uint64(PADDING + 1)

    def rows(self) -> NDArray[np.int32]:
        """Return the rows of all features, (words + 1, features)."""
        return np.stack(self._columns, axis=1).astype(np.int32)


def _matches(asked: Sequence[str], words: Sequence[str], spec: Spec) -> NDArray[np.bool_]:
    """Return where the words of the question are in the passage, (words of the question, words).

    Common words and punctuation are left out. Words match by their beginnings, and single
    characters of scripts without spaces in pairs only.
    """
    common = {*spec.common_words}
    keys = {
        _stem(word): None
        for word in asked
        if word not in common and not _UNSPACED.match(word) and any(map(str.isalnum, word))
    }
    pairs = {
        (one, two): None
        for one, two in zip(asked, asked[1:], strict=False)
        if _UNSPACED.match(one) and _UNSPACED.match(two)
    }
    found = np.zeros((len(keys) + len(pairs), len(words)), np.bool_)
    stems = {key: row for row, key in enumerate(keys)}
    of_pair = {pair: row for row, pair in enumerate(pairs, len(keys))}
    for at, word in enumerate(words):
        row = stems.get(_stem(word))
        if row is not None:
            found[row, at] = True
        if of_pair and at + 1 < len(words):
            row = of_pair.get((word, words[at + 1]))
            if row is not None:
                found[row, at : at + 2] = True
    return found


def _stem(word: str) -> str:
    return word[:STEM_CHARS] if word.isalpha() else word


def _repeats(asked: Sequence[str], words: Sequence[str]) -> NDArray[np.int64]:
    """Return 1 for the words that also are in the question as they stand, else 0."""
    known = {*asked}
    return np.fromiter((word in known for word in words), np.int64, len(words))


def _distances(is_found: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the class of the distance of each word to the last one found before it, or at it."""
    index = np.arange(len(is_found))
    last = np.maximum.accumulate(np.where(is_found, index, -(1 << 20)))
    return np.asarray(np.searchsorted(_DISTANCES, index - last, side="right"), np.int64)


def _near(found: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many words of the question are near each word, at most 7."""
    sums = np.zeros((len(found), found.shape[1] + 1), np.int64)
    np.cumsum(found, axis=1, out=sums[:, 1:])
    index = np.arange(found.shape[1])
    after = np.minimum(index + REACH + 1, found.shape[1])
    counts = (sums[:, after] - sums[:, np.maximum(index - REACH, 0)] > 0).sum(axis=0)
    return np.asarray(np.minimum(counts, 7))


def _sentences(words: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of the sentence of each word."""
    ends = np.fromiter((word in SENTENCE_ENDS for word in words), np.int64, len(words))
    return np.cumsum(ends) - ends


def _sentence_matches(found: NDArray[np.bool_], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many words of the question each sentence has, (sentences,)."""
    n = int(numbers[-1]) + 1
    counts = np.zeros(n, np.int64)
    for row in found:
        counts += np.bincount(numbers[row], minlength=n) > 0
    return counts


def _sentence_ranks(found: NDArray[np.bool_], words: Sequence[str]) -> NDArray[np.int64]:
    """Return the rank of each word's sentence by the words of the question in it, at most 4."""
    if not words:
        return np.zeros(0, np.int64)
    numbers = _sentences(words)
    counts = _sentence_matches(found, numbers)
    better = len(counts) - np.searchsorted(np.sort(counts), counts, side="right")
    return np.asarray(np.minimum(better, 4)[numbers])


def best_sentence(spec: Spec, question: Sequence[str], words: Sequence[str]) -> tuple[int, int]:
    """Return the first word of the sentence with most words of the question, and the one after it.

    Of equals, the first is returned; (0, 0) if there are no words.
    """
    if not words:
        return 0, 0
    lowered = [word.lower() for word in words]
    numbers = _sentences(lowered)
    found = _matches([word.lower() for word in question], lowered, spec)
    (chosen,) = np.nonzero(numbers == _sentence_matches(found, numbers).argmax())
    return int(chosen[0]), int(chosen[-1]) + 1


def _shifted(values: NDArray[np.int64], by: int) -> NDArray[np.int64]:
    """Return the values of the words before (by > 0) or after; 3 where there are none."""
    shifted = np.full_like(values, 3)
    if by > 0:
        shifted[by:] = values[:-by]
    else:
        shifted[:by] = values[-by:]
    return shifted


def _codes(words: Sequence[str]) -> NDArray[np.int64]:
    return np.fromiter(map(_code, words), np.int64, len(words))


@lru_cache(2**16)
def _code(word: str) -> int:
    # Python's own hash differs between processes.
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))
