"""Specifies the simple translators."""

from __future__ import annotations

import pytest

from textmill.tasks.translation import baselines
from textmill.tasks.translation.baselines import fit, ibm_model_1
from textmill.tasks.translation.examples import Example, Spec

HAUS = [
    (["das", "Haus"], ["the", "house"]),
    (["das", "Buch"], ["the", "book"]),
    (["ein", "Buch"], ["a", "book"]),
]


def word_by_word(sources: list[str], targets: list[str], test: list[str]) -> tuple[list[str], str]:
    model = fit(Spec(0.5), [Example(*pair, "") for pair in zip(sources, targets, strict=False)])
    return [text for text, _ in model.score(test)], model.note


def test_model_1_after_one_iteration_by_hand() -> None:
    # At first all three words of a pair (the empty one too) explain a target word equally well:
    # das has 1/3 each of the, house, the, book.
    table = ibm_model_1(HAUS, 1)
    assert table["das"] == pytest.approx({"the": 1 / 2, "house": 1 / 4, "book": 1 / 4})
    assert table["Haus"] == pytest.approx({"the": 1 / 2, "house": 1 / 2})
    assert table["Buch"] == pytest.approx({"the": 1 / 4, "book": 1 / 2, "a": 1 / 4})


def test_model_1_after_two_iterations_by_hand() -> None:
    # The empty word has the 2/6, house 1/6, book 2/6, a 1/6 after the first. In the first pair
    # "the" is explained by (1/3, 1/2, 1/2), so das gets 3/8 of it, and as much in the second pair
    # from (1/3, 1/2, 1/4): 6/13; "house" (1/6, 1/4, 1/2): 3/11; "book" (1/3, 1/4, 1/2): 3/13.
    the, house, book = 3 / 8 + 6 / 13, 3 / 11, 3 / 13
    total = the + house + book
    expected = {"the": the / total, "house": house / total, "book": book / total}
    assert ibm_model_1(HAUS, 2)["das"] == pytest.approx(expected)


def test_model_1_aligns_words() -> None:
    table = ibm_model_1(HAUS, 50)
    best = {word: max(likely, key=lambda t: likely[t]) for word, likely in table.items()}
    assert best == {"das": "the", "Haus": "house", "Buch": "book", "ein": "a"}
    for likely in table.values():
        assert sum(likely.values()) == pytest.approx(1)


ENGLISH = [
    "Dog",
    "Man",
    "Sleeps.",
    "He runs",
    "runs",
    ".",
    ",",
    "and the dog",
    "the",
    "and",
    "A dog",
]
DEUTSCH = ["Hund", "Mann", "Schläft.", "Er rennt", "rennt", ".", ",", "und der Hund", "der"]
DEUTSCH += ["und", "Ein Hund"]


def test_translations_have_common_spelling_and_punctuation() -> None:
    texts = ["A man runs, and the dog runs.", "the Dog", "Quux runs (dog)!"]
    expected = ["Ein Mann rennt, und der Hund rennt.", "der Hund", "Quux rennt (Hund)!"]
    assert word_by_word(ENGLISH, DEUTSCH, texts) == (expected, "")


def test_fewer_pairs_are_learned_from_where_they_would_take_too_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(baselines, "MAX_MODEL1_ALIGNMENTS", 6)  # two per pair
    answers, note = word_by_word(["Dog", "Man", "red", "hot"], ["Hund", "Mann", "rot", "heiss"],
                                 ["red", "hot"])  # fmt: skip
    assert answers == ["rot", "hot"]
    assert note == "learned from the first 3 of 4 pairs to save memory"


def test_scripts_without_blanks_are_written_without_them() -> None:
    sources, targets = ["dogs eat", "dogs run", "cats eat.", "."], ["狗吃", "狗跑", "猫吃。", "。"]
    assert word_by_word(sources, targets, ["cats run.", "Dogs eat"])[0] == ["猫跑。", "狗吃"]
