"""Specifies the features of a passage's words, given a question."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from textmill.tasks.question_answering.examples import Spec
from textmill.tasks.question_answering.overlap import PADDING, best_sentence, overlap_rows

SPEC = Spec(("who", "when"), ("is", "in", "the", "?"), (0.0,) * 3, has_no_answer=True)
QUESTION = ("Who", "invented", "the", "lamp", "?")
STATED = "The house is old . Edison 's invention is the lamp . Cats sleep ."
WORDS = tuple(STATED.split(" "))


def rows(
    question: tuple[str, ...] = QUESTION,
    words: tuple[str, ...] = WORDS,
    n_rows: int = 2**16,
    is_lexical: bool = True,
) -> np.ndarray:
    return overlap_rows(SPEC, question, words, n_rows, is_lexical=is_lexical)


def test_every_word_and_no_answer_have_equally_many_features() -> None:
    for n_rows in (2, 500):
        found = rows(n_rows=n_rows)
        assert found.shape[0] == len(WORDS) + 1
        assert found.min() >= 0
        assert found.max() < n_rows
        assert rows(words=(), n_rows=n_rows).shape == (1, found.shape[1])
        assert rows(question=(), n_rows=n_rows).shape == found.shape
    assert rows(is_lexical=False).shape[1] < rows().shape[1]


def test_features_are_the_same_in_another_process() -> None:
    code = (
        "from textmill.tasks.question_answering.overlap import overlap_rows as r;"
        "from textmill.tasks.question_answering.examples import Spec;"
        f"s = {SPEC!r};"
        f"print(r(s, {QUESTION!r}, {WORDS!r}, 2**16, is_lexical=True).tolist())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    assert said.stdout.strip() == str(rows().tolist())


def test_without_a_known_word_of_questions_there_are_no_pairs_with_it() -> None:
    assert (rows() == PADDING).any()  # "who" alone, of at most four
    assert (rows(question=("Lamp", "?")) == PADDING).sum() > (rows() == PADDING).sum()


def test_words_around_a_match_differ_from_others_by_the_overlap_alone() -> None:
    found = rows(is_lexical=False)
    sleeps, house = WORDS.index("sleep"), WORDS.index("house")
    edison = WORDS.index("Edison")
    assert (found[edison] != found[sleeps]).sum() > (found[house] != found[sleeps]).sum()


def test_the_best_sentence_has_most_words_of_the_question_also_inflected() -> None:
    assert best_sentence(SPEC, QUESTION, WORDS) == (5, 12)
    assert best_sentence(SPEC, ("Dogs", "?"), WORDS) == (0, 5)
    assert best_sentence(SPEC, QUESTION, ()) == (0, 0)


def test_characters_of_scripts_without_spaces_match_in_pairs() -> None:
    words = tuple("李白住在长安。杜甫住在成都。")
    assert best_sentence(SPEC, tuple("杜甫住在哪里"), words) == (7, 14)
    assert best_sentence(SPEC, tuple("都市"), words) == (0, 7)
