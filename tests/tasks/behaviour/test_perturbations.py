"""Specifies the changes of texts that must not change an answer."""

from __future__ import annotations

from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.tasks.behaviour.perturbations import PERTURBATIONS, Perturbation, lowercase, typo
from textmill.tasks.behaviour.templates import Filled, fill

NAMED = fill("{name} liked it!", {"name": "Ann Bauer"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lowercase", "ann bauer liked it!"),
        ("uppercase", "ANN BAUER LIKED IT!"),
        ("no_final_punctuation", "Ann Bauer liked it"),
    ],
)
def test_a_text_is_changed_and_its_slots_stay_where_they_are(name: Perturbation, text: str) -> None:
    assert PERTURBATIONS[name](NAMED, Random(0)) == Filled(text, NAMED.places)


def test_a_typo_swaps_two_letters_of_a_longer_word_outside_of_slots() -> None:
    found = {typo(NAMED, Random(seed)).text for seed in range(20)}
    assert found == {
        "Ann Bauer lkied it!",
        "Ann Bauer likde it!",
        "Ann Bauer liekd it!",
    }
    assert typo(NAMED, Random(1)) == typo(NAMED, Random(1))
    for text in ("A cat is in.", "", "aaaa 1234", "今天很好。"[:3]):
        assert typo(Filled(text), Random(0)).text == text


def test_final_punctuation_inside_a_slot_is_kept() -> None:
    ends = fill("We eat at {place}.", {"place": "Joe's!"})
    assert PERTURBATIONS["no_final_punctuation"](ends, Random(0)).text == "We eat at Joe's!"


def test_every_name_has_its_perturbation() -> None:
    assert {*PERTURBATIONS} == {*get_args(Perturbation)}


@given(st.text())
def test_no_change_moves_a_character(text: str) -> None:
    for name, change in PERTURBATIONS.items():
        changed = change(Filled(text), Random(0)).text
        assert len(changed) == len(text) or name == "no_final_punctuation"
    assert lowercase(Filled("İ"), Random(0)).text == "İ"
