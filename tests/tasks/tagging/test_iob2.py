from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from textmill.tasks.tagging.iob2 import best_tags, check_tags, entity_f1, spans, tags_of, types_in

TAGS = tags_of(["PER", "LOC"])


def test_tags_are_outside_then_begin_and_continue_of_each_type_by_name() -> None:
    assert TAGS == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert types_in(TAGS) == {"PER", "LOC"}


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        (["O", "I-PER"], "tag 1 is 'I-PER' after 'O': an entity begins with B-PER"),
        (["I-LOC"], "tag 0 is 'I-LOC'"),
        (["B-PER", "I-LOC"], "after 'B-PER'"),
        (["PER"], "tag 0 is 'PER': use O, B-TYPE or I-TYPE"),
        (["B-"], "tag 0 is 'B-'"),
    ],
)
def test_tags_that_are_not_strict_iob2_are_named(tags: list[str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_tags(tags)


def test_spans_end_where_another_entity_begins() -> None:
    tags = ["B-PER", "I-PER", "B-PER", "O", "B-LOC"]
    check_tags(tags)
    assert spans(tags) == [(0, 2, "PER"), (2, 3, "PER"), (4, 5, "LOC")]


def test_an_inside_tag_that_continues_no_entity_is_ignored() -> None:
    assert spans(["I-PER", "B-PER", "I-LOC", "I-PER"]) == [(1, 2, "PER")]
    assert spans(["B-PER", "O", "I-PER"]) == [(0, 1, "PER")]


@pytest.mark.parametrize("seed", range(10))
def test_the_best_tags_are_those_of_an_exhaustive_search(seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(4, len(TAGS)))

    def is_valid(path: tuple[int, ...]) -> bool:
        try:
            check_tags([TAGS[i] for i in path])
        except ValueError:
            return False
        return True

    paths = [path for path in product(range(len(TAGS)), repeat=4) if is_valid(path)]
    best = max(paths, key=lambda path: sum(scores[word, i] for word, i in enumerate(path)))
    assert best_tags(scores, TAGS) == [TAGS[i] for i in best]


def test_f1_counts_only_exact_entities() -> None:
    # Two guesses, of which one is right; three entities.
    guessed = [["B-PER", "I-PER", "O"], ["B-LOC"]]
    true = [["B-PER", "O", "B-PER"], ["B-LOC"]]
    assert entity_f1(guessed, true) == pytest.approx(2 * 1 / (2 + 3))
    assert entity_f1([["O"]], [["O"]]) == 0.0


def test_no_words_have_no_tags() -> None:
    assert best_tags(np.zeros((0, len(TAGS))), TAGS) == []
