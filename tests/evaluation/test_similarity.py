"""Specifies the similarity of texts."""

from __future__ import annotations

from textmill.evaluation.similarity import jaccard, pieces


def test_pieces_are_words_and_pairs_of_characters_in_lower_case() -> None:
    assert pieces("Go on") == {"go", "on", "o ", " o"}
    assert pieces("日本語") == {"日本語", "日本", "本語"}


def test_similarity_is_the_share_of_what_is_common() -> None:
    assert jaccard(frozenset("abc"), frozenset("bcd")) == 0.5
    assert jaccard(frozenset("ab"), frozenset("ab")) == 1.0
    assert jaccard(frozenset(), frozenset()) == 0.0
