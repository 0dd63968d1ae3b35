"""Specifies what the shipped lists find in the labelled sentences that they are developed on."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.safety.filtering.labelled import NONE, read_labelled, scores, shipped_filter

SENTENCES = read_labelled()


def test_every_category_has_as_many_sentences_in_both_halves() -> None:
    halves = [
        Counter((one.language, one.category) for one in SENTENCES if one.is_held_out == is_held_out)
        for is_held_out in (False, True)
    ]
    assert len(halves[0]) == len(halves[1]) == 18
    assert all(0 <= halves[0][label] - halves[1][label] <= 1 for label in halves[0])
    assert len({one.text for one in SENTENCES}) == len(SENTENCES)


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_what_the_lists_were_developed_on_stays_found(language: str) -> None:
    developed = [one for one in SENTENCES if one.language == language and not one.is_held_out]
    by_category = scores(developed, shipped_filter())
    found = [score for (_, category), score in by_category.items() if category != NONE]
    right = sum(score.right for score in found)
    assert right >= 0.9 * sum(score.expected for score in found)
    assert right >= 0.95 * sum(score.found for score in found)
