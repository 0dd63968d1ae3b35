"""Specifies how tokens are counted by word and by language."""

from __future__ import annotations

import pytest

from textmill.corpus.tokens import fertility as module
from textmill.corpus.tokens.fertility import fertility


def test_words_are_runs_of_letters_and_marks_are_none() -> None:
    rows = [("Two words, here: four!", "en", 12), ("and one", "en", 3)]
    assert fertility(iter(rows)) == {
        "documents/en": 2,
        "bytes_per_token/en": 29 / 15,
        "tokens_per_word/en": 15 / 6,
    }


def test_a_script_without_blanks_is_counted_by_character() -> None:
    found = fertility(iter([("那只猫。", "zh", 6), ("the cat", "en", 2)]))
    assert found["tokens_per_character/zh"] == 2
    assert found["bytes_per_token/zh"] == 2
    assert found["tokens_per_word/en"] == 1
    assert not {"tokens_per_word/zh", "tokens_per_character/en"} & found.keys()


def test_a_language_without_a_word_has_no_tokens_of_one() -> None:
    assert fertility(iter([("...", "und", 0)])) == {"documents/und": 1, "bytes_per_token/und": 3}


def test_long_texts_and_many_are_counted_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("a bc " * 7, "en", 1), ("那" * 33, "zh", 2), ("", "en", 0)] * 5
    whole = fertility(iter(rows))
    monkeypatch.setattr(module, "_PIECE_CHARS", 10)
    monkeypatch.setattr(module, "_BATCH_CHARS", 20)
    assert fertility(iter(rows)) == whole
