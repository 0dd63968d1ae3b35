"""Specifies the statistics of texts, against plain Python."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.corpus.cleaning.filters import Document, Edit
from textmill.corpus.cleaning.filters import measures as module
from textmill.corpus.cleaning.filters.measures import Measures, measure, measures_of

TOP, DUPLICATE = [2, 3], [2, 5]


def measured(text: str) -> Measures:
    (found,) = measure([text], TOP, DUPLICATE)
    return found


def top_share(text: str, n: int) -> float:
    """Return the share of the commonest n-gram of words, of several the first."""
    words = list(re.finditer(r"\w+", text))
    ngrams = [tuple(w[0] for w in words[i : i + n]) for i in range(len(words) - n + 1)]
    counts = Counter(ngrams)
    if not ngrams or max(counts.values()) < 2:
        return 0.0
    first = ngrams.index(max(counts, key=lambda ngram: (counts[ngram], -ngrams.index(ngram))))
    return counts[ngrams[first]] * (words[first + n - 1].end() - words[first].start()) / len(text)


def duplicate_share(text: str, n: int) -> float:
    """Return the share of the characters in words of n-grams that occurred before."""
    words = re.findall(r"\w+", text)
    seen: set[tuple[str, ...]] = set()
    covered: set[int] = set()
    for begin in range(len(words) - n + 1):
        ngram = tuple(words[begin : begin + n])
        if ngram in seen:
            covered |= set(range(begin, begin + n))
        seen.add(ngram)
    return sum(len(words[i]) for i in covered) / max(1, len(text))


@settings(deadline=None)  # the first call makes tables
@given(st.lists(st.lists(st.sampled_from(["a", "bb", "ccc", "d.", "e,"]), max_size=30), max_size=4))
def test_repetition_equals_a_reference_in_plain_python(drawn: list[list[str]]) -> None:
    texts = [" ".join(words) for words in drawn]
    for text, found in zip(texts, measure(texts, TOP, DUPLICATE), strict=True):
        assert found.top_ngrams == pytest.approx({n: top_share(text, n) for n in TOP})
        assert found.duplicate_ngrams == pytest.approx(
            {n: duplicate_share(text, n) for n in DUPLICATE}
        )


@pytest.mark.parametrize(
    ("text", "words", "marks", "alphabetic"),
    [
        ("", 0, 0, 0),
        ("Don't panic; it's 3.5 or 1,250.75!", 8, 2, 6),  # don t panic it s 3.5 or 1,250.75
        ("well-known facts -- here...", 4, 3, 4),
        ("“Yes,” said Mr. J. Smith.", 5, 4, 5),  # the full stops after Mr and J are part of them
        ("sir,--they came 1914-18", 4, 0, 3),
        ("It was 5.", 3, 1, 2),
        ("你好，世界。", 4, 2, 4),
        ("#### 12 ab1", 2, 4, 1),
        ("^^^^ ..... ____", 0, 6, 0),
        ("“Well--” 1914- ((he", 3, 4, 2),  # hyphens at the end of a word are part of it
    ],
)
def test_words_and_punctuation_are_counted(
    text: str, words: int, marks: int, alphabetic: int
) -> None:
    found = measured(text)
    assert (found.n_words, found.n_punctuation, found.n_alphabetic) == (words, marks, alphabetic)


@pytest.mark.parametrize(
    ("text", "length"),
    [("one three", 4.0), ("a.bcd!", 2.0), ("你好世界", None), ("你 a bb", 1.5), ("", None)],
)
def test_the_mean_word_length_is_that_of_words_separated_by_spaces(
    text: str, length: float | None
) -> None:
    assert measured(text).mean_word_length == length


def test_measures_do_not_depend_on_other_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a b a b a b a b a b a b", "", "c d e f g", "a b a b", "你好你好你好"] * 3
    alone = [measured(text) for text in texts]
    for size in (1, 30, 1 << 17):
        monkeypatch.setattr(module, "_BATCH_CHARS", size)
        for one, other in zip(alone, measure(texts, TOP, DUPLICATE), strict=True):
            assert np.array_equal(one.words, other.words)
            assert {**vars(one), "words": 0} == {**vars(other), "words": 0}


def test_only_the_beginning_of_a_very_long_text_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_CHARS", 6)
    assert measured("one two three").n_words == 2


def test_a_document_is_measured_once_until_its_text_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n_measured: list[int] = []

    def count(texts: Sequence[str], *ngrams: Sequence[int]) -> list[Measures]:
        n_measured.append(len(texts))
        return measure(texts, *ngrams)

    monkeypatch.setattr(module, "measure", count)
    documents = [Document(text, "en") for text in ("one two one two", "three", "four")]
    first = measures_of(documents, [2], [])
    assert measures_of(documents) == first
    documents[1].apply(Edit("five six"))
    assert [found.n_words for found in measures_of(documents)] == [4, 2, 1]
    assert measures_of(documents, [], [5])[0].duplicate_ngrams.keys() == {5}
    assert n_measured == [3, 0, 1, 3]
