"""Specifies words and shingles as hashes, against plain Python."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.corpus.shingles import Words, hash_runs, mix, read_characters, slices
from textmill.corpus.shingles import hash_words as hash_characters

TEXTS = ["One word, one WORD.", "", "?! ...", "你好 hello世界", "สวัส", "don't under_score x9", "é"]
WORDS = [
    ["one", "word", "one", "word"],
    [],
    [],
    ["你", "好", "hello", "世", "界"],
    ["ส", "ว", "ั", "ส"],
    ["don", "t", "under", "score", "x9"],
    ["é"],
]


def hash_words(texts: list[str]) -> Words:
    return hash_characters(read_characters(texts))


def hash_of(word: str) -> int:
    (value,) = hash_words([word]).hashes.tolist()
    return int(value)


def test_words_are_those_of_each_text_in_order() -> None:
    words = hash_words(TEXTS)
    expected = [(index, hash_of(word)) for index, text in enumerate(WORDS) for word in text]
    assert list(zip(words.documents.tolist(), words.hashes.tolist(), strict=True)) == expected


def test_words_begin_where_they_stand() -> None:
    text = "  Wörter — und日本 Zahlen: 12,5"
    expected = [match.start() for match in re.finditer(r"[日本]|[^\W日本]+", text)]
    assert hash_words(["before", text, "after"]).starts[1:-1].tolist() == expected


def test_no_two_words_have_the_same_hash() -> None:
    words = {f"{a}{b}{c}" for a in "abcdefghij" for b in "klmnopqrst" for c in range(50)}
    words |= {"x" * n for n in range(1, 300)}
    for alphabet in ("abcdefghijklmnop", "авгдежзийклмнопр", "𐐨𐐩𐐪𐐫𐐬𐐭𐐮𐐯"):
        x = alphabet[0]  # the others stand at the ends of eight
        words |= {f"{x * 7}{a}{x * 7}{b}" for a in alphabet for b in alphabet}
    assert len(set(hash_words([" ".join(sorted(words))]).hashes.tolist())) == len(words)


def test_hashes_never_change() -> None:
    # Machines and days must agree on what is a near duplicate.
    assert hash_words(["the 中 characteristics"]).hashes.tolist() == [
        14079674147953808513,
        9550130139140689764,
        16588328192855969337,
    ]


def test_mix_is_the_published_function() -> None:
    # The first output of SplitMix64 from the state 0.
    assert mix(np.array([0x9E3779B97F4A7C15], np.uint64)).tolist() == [0xE220A8397B1DCDAF]


@pytest.mark.parametrize("length", [1, 2, 3, 7])
@pytest.mark.parametrize("keep_short", [True, False])
def test_runs_are_the_ngrams_of_each_text(length: int, keep_short: bool) -> None:
    words = hash_words(TEXTS)
    runs, first = hash_runs(words, length, keep_short=keep_short)
    expected = []
    begin = 0
    for text in WORDS:
        ngrams = [text[i : i + length] for i in range(len(text) - length + 1)]
        if keep_short and text and not ngrams:
            ngrams = [text]
        expected += [(begin + i, tuple(ngram)) for i, ngram in enumerate(ngrams)]
        begin += len(text)
    assert first.tolist() == [place for place, _ in expected]
    ngram_of = dict(zip(runs.tolist(), (ngram for _, ngram in expected), strict=True))
    assert len(ngram_of) == len({ngram for _, ngram in expected})


@given(st.lists(st.text(max_size=40) | st.text("aé\u0101中𐐨 ", max_size=40), max_size=6))
def test_a_text_has_the_same_words_alone_as_among_others(texts: list[str]) -> None:
    together = hash_words(texts)
    for index, text in enumerate(texts):
        alone = hash_words([text])
        here = together.documents == index
        assert together.hashes[here].tolist() == alone.hashes.tolist()
        assert together.starts[here].tolist() == alone.starts.tolist()


@given(st.lists(st.integers(0, 30)), st.integers(1, 40))
def test_slices_hold_every_item_once_and_no_more_than_fits(sizes: list[int], most: int) -> None:
    parts = [sizes[part] for part in slices(sizes, most)]
    assert [size for part in parts for size in part] == sizes
    assert all(part and (sum(part) <= most or len(part) == 1) for part in parts)
    # None could have taken in the first of the next.
    assert all(sum(a) + b[0] > most for a, b in itertools.pairwise(parts))
