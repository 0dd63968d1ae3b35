"""Specifies the simple models."""

from __future__ import annotations

import subprocess
import sys

import pytest

from textmill.evaluation import baselines
from textmill.evaluation.baselines import (
    copy_source,
    ibm_model_1,
    majority,
    tfidf_logistic_regression,
    word_by_word,
    word_logistic_regression,
    word_lookup,
)

TEXTS = ["lovely meal", "a lovely room", "superb and lovely", "awful meal", "an awful room"]
LABELS = ["good", "good", "good", "bad", "bad"]


@pytest.mark.parametrize(
    ("labels", "winner"),
    [(["b", "a", "b"], "b"), (["b", "a"], "a"), (["c", "b", "c", "b", "a"], "b"), (["z"], "z")],
)
def test_the_majority_is_the_commonest_label_and_of_equal_ones_the_first_by_name(
    labels: list[str], winner: str
) -> None:
    assert majority(labels, 3) == [winner] * 3


def test_tfidf_beats_the_majority_on_separable_texts() -> None:
    test, expected = ["lovely staff", "awful staff", "awful window"], ["good", "bad", "bad"]
    assert tfidf_logistic_regression(TEXTS, LABELS, test) == (expected, "")
    assert majority(LABELS, 3) != expected


def test_tfidf_answers_alike_each_time() -> None:
    answers = [tfidf_logistic_regression(TEXTS, LABELS, ["meal room"])[0] for _ in range(2)]
    assert answers[0] == answers[1]
    assert type(answers[0][0]) is str


SENTENCES = [["Ann", "Lee", "sleeps"], ["Bob", "Lee", "runs"], ["we", "met", "Ann"], ["Lee", "ran"]]
TAGS = [["B-PER", "I-PER", "O"], ["B-PER", "I-PER", "O"], ["O", "O", "B-PER"], ["B-PER", "O"]]


def test_tfidf_reads_scripts_without_blanks_and_single_characters() -> None:
    texts = ["这部电影很好", "我很喜欢好书", "这部电影很坏", "我讨厌坏书"] * 3
    labels = ["good", "good", "bad", "bad"] * 3
    assert tfidf_logistic_regression(texts, labels, ["书好", "书坏"])[0] == ["good", "bad"]
    assert tfidf_logistic_regression(["a", "b"] * 3, ["x", "y"] * 3, ["b"])[0] == ["y"]


def test_the_word_regression_of_one_tag_alone_answers_it() -> None:
    words, tags = [["Ann", "Bob"], ["Dora"]], [["B-PER", "B-PER"], ["B-PER"]]
    answers, _ = word_logistic_regression(words, tags, [["Eve", "reads"]])
    assert answers == [["B-PER", "B-PER"]]


def test_the_word_lookup_knows_no_new_word_and_gives_valid_tags() -> None:
    answers = word_lookup(SENTENCES, TAGS, [["Zoe", "met", "Lee"], ["Ann", "Lee"]])
    assert answers == [["O", "O", "B-PER"], ["B-PER", "I-PER"]]


def test_the_word_regression_judges_a_new_word_by_its_neighbours_and_shape() -> None:
    answers = word_logistic_regression(SENTENCES * 20, TAGS * 20, [["Zoe", "Lee", "sleeps"]])
    assert answers == ([["B-PER", "I-PER", "O"]], "")


def test_many_classes_are_told_apart_one_by_one_and_a_note_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two classes never are: they have one row of coefficients."""
    monkeypatch.setattr(baselines, "LBFGS_CELLS", 1)
    texts, labels = [*TEXTS, "plain soup"] * 5, [*LABELS, "none"] * 5
    answers, note = tfidf_logistic_regression(texts, labels, ["lovely", "awful", "a plain soup"])
    assert answers == ["good", "bad", "none"]
    assert note == "3 classes, each told apart from all others by itself to save memory"
    assert tfidf_logistic_regression(TEXTS, LABELS, ["lovely"]) == (["good"], "")
    tagged, note = word_logistic_regression(SENTENCES * 20, TAGS * 20, [["Zoe", "Lee", "sleeps"]])
    assert tagged == [["B-PER", "I-PER", "O"]]
    assert note.startswith("3 classes, each")


def test_where_that_is_not_enough_the_commonest_features_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(baselines, "LBFGS_CELLS", 1)
    monkeypatch.setattr(baselines, "COEFFICIENTS", 3 * 4)
    texts = ["good day", "bad day", "plain day"] * 5 + ["once only"]
    labels = ["good", "bad", "none"] * 5 + ["none"]
    answers, note = tfidf_logistic_regression(texts, labels, ["good", "bad", "plain"])
    assert answers == ["good", "bad", "none"]
    assert note.endswith("; on the 4 commonest of 10 features")
    _, note = word_logistic_regression(SENTENCES, TAGS, [["Zoe", "Lee"]])
    assert "; on the 4 commonest of " in note


MANY_CLASSES = """
import random, resource
from textmill.evaluation.baselines import tfidf_logistic_regression
random.seed(0)
words = [f"w{n}" for n in range(1500)]
labels = [f"c{n % 1500}" for n in range(4500)]
texts = [" ".join([label, *random.choices(words, k=3)]) for label in labels]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
answers, note = tfidf_logistic_regression(texts, labels, texts[:300])
assert sum(a == l for a, l in zip(answers, labels)) > 290
assert note.startswith("1,500 classes")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_1500_classes_take_less_than_a_gibibyte() -> None:
    """In a process of its own: the most memory of one cannot be taken back."""
    done = subprocess.run(
        [sys.executable, "-c", MANY_CLASSES], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 1024


HAUS = [
    (["das", "Haus"], ["the", "house"]),
    (["das", "Buch"], ["the", "book"]),
    (["ein", "Buch"], ["a", "book"]),
]


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


def test_model_1_tells_the_words_apart() -> None:
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


def test_words_are_replaced_with_their_spelling_and_marks() -> None:
    texts = ["A man runs, and the dog runs.", "the Dog", "Quux runs (dog)!"]
    expected = ["Ein Mann rennt, und der Hund rennt.", "der Hund", "Quux rennt (Hund)!"]
    assert word_by_word(ENGLISH, DEUTSCH, texts) == (expected, "")


def test_fewer_pairs_are_learned_from_where_they_would_take_too_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(baselines, "MODEL1_ENTRIES", 6)  # two for each of the first three pairs
    answers, note = word_by_word(["Dog", "Man", "red", "hot"], ["Hund", "Mann", "rot", "heiss"],
                                 ["red", "hot"])  # fmt: skip
    assert answers == ["rot", "hot"]
    assert note == "learned from the first 3 of 4 pairs to save memory"


def test_scripts_without_blanks_are_written_without_them() -> None:
    sources, targets = ["dogs eat", "dogs run", "cats eat.", "."], ["狗吃", "狗跑", "猫吃。", "。"]
    assert word_by_word(sources, targets, ["cats run.", "Dogs eat"])[0] == ["猫跑。", "狗吃"]


def test_the_source_itself_is_the_trivial_translation() -> None:
    assert copy_source(["a b", "c"]) == ["a b", "c"]
