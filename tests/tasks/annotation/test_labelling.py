"""Specifies the labels that people type."""

from __future__ import annotations

import pytest

from textmill.config import KINDS, takes_labels
from textmill.tasks.annotation.labelling import Labelling, find_label, labelling_of

LABELS = ("Business", "Sci-Tech", "Sports", "World")


@pytest.mark.parametrize(
    ("word", "label"),
    [("World", "World"), ("2", "Sci-Tech"), ("sc", "Sci-Tech"), (" sports ", "Sports")],
)
def test_a_label_is_meant_by_name_number_or_beginning(word: str, label: str) -> None:
    assert find_label(LABELS, word) == label


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("s", "'s' may be Sci-Tech, Sports"),
        ("0", "'0' is none of the labels"),
        ("5", "'5' is none of the labels"),
        ("politics", "'politics' is none of the labels"),
        (" ", "'' is none of the labels"),
    ],
)
def test_what_is_unknown_or_ambiguous_is_said(word: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_label(LABELS, word)


def test_names_come_before_numbers_and_before_beginnings() -> None:
    assert find_label(("2", "3", "1"), "1") == "1"
    assert find_label(("art", "artist"), "ART") == "art"


def test_every_kind_that_takes_labels_has_them() -> None:
    built_in = {kind for kind in KINDS if KINDS[kind].startswith("textmill.")}
    assert {kind for kind in built_in if takes_labels(kind)} == {"classification", "multilabel"}
    for kind in ("classification", "multilabel"):
        needed = {name for name in vars(Labelling) if not name.startswith("_")}
        assert needed <= {*dir(labelling_of(kind))}
