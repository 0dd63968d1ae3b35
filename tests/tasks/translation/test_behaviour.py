"""Specifies what behaviour tests expect of translations, and of responses to prompts."""

from __future__ import annotations

from types import ModuleType

import pytest

from textmill.tasks.behaviour.templates import fill
from textmill.tasks.generation import behaviour as of_responses
from textmill.tasks.translation import behaviour as of_translations
from textmill.tasks.translation.examples import Spec

SPEC = Spec(source_share=0.5)
ANN = {"text": fill("{name} lives in {town}.", {"name": "Ann", "town": "Bath"})}
BO = {"text": fill("{name} lives in {town}.", {"name": "Bo", "town": "Bath"})}
PEOPLE = (("Ann", ANN), ("Bo", BO))


@pytest.mark.parametrize(
    ("judge", "field"), [(of_translations, "translation"), (of_responses, "response")]
)
def test_the_text_contains_what_is_expected(judge: ModuleType, field: str) -> None:
    right = judge.expected(SPEC, ["{name}", "wohnt"], ANN)
    assert right == ["Ann", "wohnt"]
    assert judge.is_right({field: "ANN wohnt in Bath."}, right)
    assert not judge.is_right({field: "Bo wohnt in Bath."}, right)
    ann, bo = {field: "Ann wohnt in Bath."}, {field: "Bo wohnt in Bath."}
    assert judge.decision(ann, ANN) == judge.decision(bo, BO) == "{name} wohnt in {town}."
    assert judge.show(ann) == "Ann wohnt in Bath."
    genitives = [judge.decision({field: f"{name}s Haus"}, of) for name, of in PEOPLE]
    assert genitives == ["{name}s haus"] * 2


def test_values_are_found_as_whole_words_the_longest_first() -> None:
    given = {"text": fill("{name} met {other}.", {"name": "Al", "other": "Alma"})}
    answer = {"translation": "Al sagte Alma das also auch, Spider-Al!"}
    named = "{name} sagte {other} das also auch, spider-al!"
    assert of_translations.decision(answer, given) == named
    turkish = {"text": fill("{name} left.", {"name": "Mila"})}
    assert of_translations.decision({"translation": "M\u0131la, Mila"}, turkish) == (
        "m\u0131la, {name}"
    )
    empty = {"text": fill("No one.", {})}
    assert of_translations.decision(answer, empty) == answer["translation"].casefold()


def test_what_is_no_text_is_refused() -> None:
    for expect, message in (
        ({"name": "x"}, "expect is a text that"),
        ("", "expect is a text that"),
        ("{place}", "slot"),
    ):
        with pytest.raises(ValueError, match=message):
            of_translations.expected(SPEC, expect, ANN)
