"""Specifies the sample texts with any number of labels."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from textmill.sample.language.news import TOPICS
from textmill.sample.language.world import World
from textmill.sample.subjects import N_SUBJECTS, write_subjects


def test_texts_have_from_no_subject_to_three_in_order(world: World) -> None:
    rows = [write_subjects(world, Random(seed), is_test=False) for seed in range(600)]
    labels = [row["labels"] for row in rows]
    sizes = Counter(map(len, labels))
    for n, share in N_SUBJECTS.items():
        assert sizes[n] / len(rows) == pytest.approx(share, abs=0.05)
    assert {label for row in labels for label in row} == {*TOPICS}
    assert all([*row] == sorted({*row}) for row in labels)


def test_every_subject_has_a_sentence_beside_others(world: World) -> None:
    for seed in range(50):
        row = write_subjects(world, Random(seed), is_test=False)
        assert str(row["text"]).count(".") > len(row["labels"])
