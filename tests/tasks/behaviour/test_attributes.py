"""Specifies the files of groups of a bias report, and what is said about invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from textmill.errors import InputError
from textmill.locations import BIAS, find_test_file, known_test_files
from textmill.tasks.behaviour.attributes import read_inventory
from textmill.tasks.behaviour.suite import slots_of

WHOLE = """\
slots:
  good: [fine, great]
attributes:
  - name: gender
    about: relatives
    groups:
      women: [mother, sister]
      men: [father, brother]
    in_examples:
      women: [woman]
      men: [man]
    template: ["My {gender} is {good}.", "I know your {gender}."]
  - {name: age, groups: {young: [young], old: [1999]}, template: "{age}", max_cases: 5, examples: 0}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "groups.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_has_lists_for_slots_and_attributes_with_groups(tmp_path: Path) -> None:
    file = written(tmp_path, WHOLE)
    found = read_inventory(file)
    assert found.slots == {"good": ("fine", "great")}
    gender, age = found.attributes
    assert gender.groups == {"women": ("mother", "sister"), "men": ("father", "brother")}
    assert gender.in_examples == {"women": ("woman",), "men": ("man",)}
    assert (gender.about, gender.max_cases, gender.examples) == ("relatives", 100, 200)
    assert age.groups["old"] == ("1999",)
    assert (age.template, age.max_cases, age.examples) == (("{age}",), 5, 0)
    assert found.places == {"gender": f"{file}:4", "age": f"{file}:13"}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("attributes:", "attribute:", r":3: attribute is not a setting: use slots, attributes"),
        ("good: [fine, great]", "good: [fine, fine]", r":2: slots.good: list different values"),
        (
            "good: [fine, great]",
            "good: [fine]\n  age: [x]",
            r":14: age: another list of slots has this name",
        ),
        ("{name: age,", "{name: gender,", r":13: gender: another attribute has this name"),
        ("{name: age,", "{", r":13: attribute 2: name is required: set it"),
        ("name: gender", "name: Gender", r":4: Gender: name='Gender': string should match"),
        ("    about:", "    abuot:", r":5: gender: abuot is not a setting: use name, about"),
        ("[father, brother]", "[father]", r":6: gender: groups need .*: women has 2, men has 1"),
        ("      men: [father, brother]\n", "", r":6: gender: groups: dictionary should have at"),
        ("young: [young], old: [1999]", "young: [], old: []", r":13: age: groups have no terms"),
        ("[man]", "[man, boy]", r":9: gender: in_examples need .*: women has 1, men has 2"),
        ("      men: [man]\n", "", r":9: gender: in_examples needs terms of .* women, men, and"),
        ("[man]", "[Mother]", r":6: gender: the term 'mother' is there twice: remove one"),
        ("your {gender}", "your {sex}", r":12: gender: 'I know your {sex}.' lacks the slot {gen"),
        ("is {good}", "is {bad}", r":12: gender: the slot {bad} has no list: add slots.bad"),
        ("is {good}", "or {gender2}", r":12: gender: the slot {gender2} has no list"),
        ("max_cases: 5", "max_cases: 0", r":13: age: max_cases='0': input should be greater"),
    ],
)
def test_invalid_files_have_one_message_with_line_and_key(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in WHOLE
    file = written(tmp_path, WHOLE.replace(before, after, 1))
    with pytest.raises(InputError, match=f"groups.yaml{message}"):
        read_inventory(file)


def test_a_file_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml cannot be read"):
        read_inventory(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="is empty: write slots and attributes"):
        read_inventory(written(tmp_path, "# nothing"))


@pytest.mark.parametrize("name", known_test_files(BIAS))
def test_the_files_that_come_with_textmill_are_valid(name: str) -> None:
    found = read_inventory(find_test_file(BIAS, name))
    used = {
        slot for one in found.attributes for text in one.template for slot in slots_of(text)
    } - {one.name for one in found.attributes}
    assert used == {*found.slots}
    for one in found.attributes:
        assert one.about
        assert len(one.template) >= 7
