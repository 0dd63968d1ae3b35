"""Specifies the sample pairs of texts."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from textmill.sample.language.world import World
from textmill.sample.pairs import PARAPHRASES, RELATIONS, write_relation


@pytest.mark.parametrize(("statement", "hypothesis", "slot"), PARAPHRASES)
def test_what_follows_needs_the_slot_that_can_be_wrong(
    statement: str, hypothesis: str, slot: str
) -> None:
    assert f"{{{slot}}}" in statement
    assert f"{{{slot}}}" in hypothesis


def test_labels_are_balanced_and_texts_of_all_labels_have_one_form(world: World) -> None:
    rows = [write_relation(world, Random(seed), is_test=False) for seed in range(600)]
    counts = Counter(row["label"] for row in rows)
    assert {*counts} == {*RELATIONS}
    assert min(counts.values()) > 150
    lengths = {label: 0 for label in RELATIONS}
    for row in rows:
        lengths[row["label"]] += row["premise"].count(". ") + 1
    means = [lengths[label] / counts[label] for label in RELATIONS]
    assert max(means) < 1.1 * min(means)
