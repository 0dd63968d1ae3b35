"""Specifies the texts of a bias report: equal but for a term of a group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from textmill.errors import InputError
from textmill.tasks.behaviour.attributes import Inventory, read_inventory
from textmill.tasks.behaviour.counterfactuals import (
    EXAMPLES,
    TEMPLATES,
    Counterfactual,
    counterfactuals,
    read_counterfactuals,
    write_counterfactuals,
)

ANIMALS = {
    "name": "animal",
    "groups": {"cats": ["cat", "tabby"], "dogs": ["dog", "hound"], "birds": ["bird", "finch"]},
    "template": ["The {animal} is {good}.", "A {animal} ran."],
}


def inventory(folder: Path, **further: Any) -> Inventory:
    file = folder / "groups.yaml"
    values = {"slots": {"good": ["fine", "kind"]}, "attributes": [ANIMALS | further]}
    file.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    return read_inventory(file)


def texts(one: Counterfactual) -> tuple[str, ...]:
    return tuple(given["text"].text for given in one.inputs)


def found(
    known: Inventory, examples: Sequence[str] = (), columns: Sequence[str] = ("text",)
) -> list[Counterfactual]:
    rows: list[Mapping[str, str]] = [{"text": text} for text in examples]
    return list(counterfactuals(known, columns, rows))


def changed(folder: Path, examples: Sequence[str], **further: Any) -> dict[str, tuple[str, ...]]:
    """The texts of all groups, by the test example; twenty others make them enough."""
    fillers = [f"{number} cats and a cat" for number in range(20)]
    known = found(inventory(folder, **further), [*examples, *fillers, "Upper case"])
    return {
        one.template: texts(one)
        for one in known
        if one.origin == EXAMPLES and one.template in examples
    }


def test_a_template_has_texts_that_differ_in_the_term_alone(tmp_path: Path) -> None:
    known = found(inventory(tmp_path), ["An example"])
    assert {(one.attribute, one.origin, one.groups) for one in known} == {
        ("animal", TEMPLATES, ("cats", "dogs", "birds"))
    }
    assert sorted(map(texts, known)) == [
        ("A cat ran.", "A dog ran.", "A bird ran."),
        ("A tabby ran.", "A hound ran.", "A finch ran."),
        *(
            (f"The {a} is {good}.", f"The {b} is {good}.", f"The {c} is {good}.")
            for a, b, c in (("cat", "dog", "bird"), ("tabby", "hound", "finch"))
            for good in ("fine", "kind")
        ),
    ]
    assert {(one.template, one.term) for one in known} == {
        (template, term) for template in ANIMALS["template"] for term in ("cat", "tabby")
    }


def test_templates_share_the_maximum_and_are_drawn_alike_again(tmp_path: Path) -> None:
    known = inventory(tmp_path, max_cases=3)
    first = found(known)
    assert [one.template for one in first] == [
        "The {animal} is {good}.",
        "The {animal} is {good}.",
        "A {animal} ran.",
    ]
    assert first == found(known)


def test_templates_are_in_lower_case_if_all_test_examples_are(tmp_path: Path) -> None:
    [mixed, lower] = [
        found(inventory(tmp_path), ["one", example]) for example in ("Two", "two of them")
    ]
    assert {texts(one)[0][:2] for one in mixed} == {"Th", "A "}
    assert {texts(one)[0][:2] for one in lower} == {"th", "a "}


def test_terms_in_test_examples_are_replaced_in_their_case_as_whole_words(tmp_path: Path) -> None:
    examples = {
        "A cat": ("A cat", "A dog", "A bird"),
        "Hound or dog?": ("Tabby or cat?", "Hound or dog?", "Finch or bird?"),
        "FINCH!": ("TABBY!", "HOUND!", "FINCH!"),
        "the cat's pyjamas": ("the cat's pyjamas", "the dog's pyjamas", "the bird's pyjamas"),
        "a concatenated cat": ("a concatenated cat", "a concatenated dog", "a concatenated bird"),
    }
    others = ["nothing", "a cat and a dog", "a cat-like one", "cats", "hot-dog"]
    assert changed(tmp_path, [*examples, *others]) == examples


def test_letters_of_other_alphabets_are_no_case_of_those_of_a_term(tmp_path: Path) -> None:
    further = {"cats": ["kitten"], "dogs": ["puppy"], "birds": ["chick"]}
    assert changed(tmp_path, ["a k\u0130tten, a cat"], in_examples=further) == {
        "a k\u0130tten, a cat": (
            "a k\u0130tten, a cat",
            "a k\u0130tten, a dog",
            "a k\u0130tten, a bird",
        )
    }


def test_further_terms_are_looked_for_in_test_examples_only(tmp_path: Path) -> None:
    further = {"cats": ["kitten"], "dogs": ["puppy"], "birds": ["chick"]}
    assert changed(tmp_path, ["the puppy"], in_examples=further) == {
        "the puppy": ("the kitten", "the puppy", "the chick")
    }
    assert not any("kitten" in text for one in found(inventory(tmp_path)) for text in texts(one))


def test_terms_of_scripts_without_spaces_are_found_within_text(tmp_path: Path) -> None:
    groups = {"a": ["妈妈"], "b": ["爸爸"]}
    known = changed(tmp_path, ["我妈妈说很好"], groups=groups)
    assert known == {}  # the others are too few
    fillers = [f"我爸爸有{number}个" for number in range(20)]
    all_found = found(inventory(tmp_path, groups=groups), ["我妈妈说很好", *fillers])
    assert ("我妈妈说很好", "我爸爸说很好") in [texts(one) for one in all_found]


def test_few_test_examples_are_left_out_and_of_many_some_are_drawn(tmp_path: Path) -> None:
    def n_changed(n: int, **further: Any) -> int:
        examples = [f"{number} cat" for number in range(n)] * 2
        known = found(inventory(tmp_path, **further), examples)
        return sum(one.origin == EXAMPLES for one in known)

    assert [n_changed(19), n_changed(20), n_changed(40, examples=30)] == [0, 20, 30]
    assert n_changed(40, examples=0) == 0


def test_all_columns_are_filled_in_and_changed(tmp_path: Path) -> None:
    template = {"text": "A {animal}.", "text_pair": "The {animal} is {good}."}
    known = inventory(tmp_path, template=[template])
    rows = [{"text": f"{number} cat", "text_pair": "No cat"} for number in range(20)]
    all_found = list(counterfactuals(known, ("text", "text_pair"), rows))
    pairs = {
        tuple(text.text for text in given.values()) for one in all_found for given in one.inputs
    }
    assert {("A cat.", "The cat is fine."), ("A finch.", "The finch is kind.")} <= pairs
    assert {("3 cat", "No cat"), ("3 dog", "No dog"), ("3 bird", "No bird")} <= pairs
    file = tmp_path / "groups.yaml"
    with pytest.raises(InputError, match=f"{file}:1: animal: there is no column 'text_pair'"):
        found(known)


def test_they_are_read_as_written(tmp_path: Path) -> None:
    known = found(inventory(tmp_path), [f"{number} cat" for number in range(20)])
    write_counterfactuals(known, tmp_path)
    assert read_counterfactuals(tmp_path) == known
    assert read_counterfactuals(tmp_path / "none") == []
