"""Specifies the features of a word's spelling: stable rows, shared by words that are alike."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from textmill.tasks.tagging.spelling import spelling_rows

N_ROWS = 2**15


def shared(one: str, other: str, is_by_character: bool = False) -> int:
    """The number of features that the middle words of two texts share."""
    rows = [spelling_rows(text.split(), is_by_character, N_ROWS) for text in (one, other)]
    middle = [set(found[len(found) // 2].tolist()) for found in rows]
    return len(middle[0] & middle[1])


@pytest.mark.parametrize("is_by_character", [False, True])
@pytest.mark.parametrize("n_words", [0, 1, 2, 9])
def test_every_word_has_as_many_features(n_words: int, is_by_character: bool) -> None:
    words = ["x", "", "王", "😀", "\ud800", " ", "É", "9", "y"][:n_words]
    rows = spelling_rows(words, is_by_character, 64)
    assert rows.shape == (n_words, len(spelling_rows(["a"], is_by_character, 64)[0]))
    assert rows.dtype == np.int32
    assert not n_words or (rows.min() >= 0 and rows.max() < 64)


def test_a_model_without_a_table_has_no_features() -> None:
    assert spelling_rows(["a", "b"], False, 0).shape == (2, 0)


def test_rows_are_the_same_in_another_process() -> None:
    code = (
        "from textmill.tasks.tagging.spelling import spelling_rows as s;"
        "print(s(['Ann', 'runs'], False, 32768).tolist())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(spelling_rows(["Ann", "runs"], False, N_ROWS).tolist())


def test_words_share_features_with_words_of_a_similar_form() -> None:
    assert shared("in Boston", "in Bolton") > shared("in Boston", "in Madrid")
    assert shared("in Boston", "in Houston") > shared("in Boston", "in London") > 0
    assert shared("in Boston", "in boston") < shared("in Boston", "in Boston")


@pytest.mark.parametrize("is_by_character", [False, True])
def test_neighbours_are_features_up_to_their_reach(is_by_character: bool) -> None:
    text, both = "a b c X e f g", is_by_character
    assert shared(text, text, both) > shared(text, "a b d X e f g", both)
    assert shared(text, "a b d X e f g", both) < shared(text, "a d c X e f g", both)
    assert shared(text, "d b c X e f d", both) == shared(text, text, both)
