"""Specifies the files of behaviour tests, and what is said about invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from textmill.errors import InputError
from textmill.tasks.behaviour.suite import DirectionTest, InvarianceTest, MinimumTest, read_suite

WHOLE = """\
# Tests of a mood.
slots:
  name: [Ann, no, 1999]
  good: [fine]
tests:
  - name: praise
    about: one word
    kind: minimum
    template: ["{name} is {good}.", "All is {good}."]
    expect: good
  - {name: names, kind: invariance, template: "{name} is {good}.", vary: name, max_cases: 5}
  - {name: typos, kind: invariance, examples: 20, perturb: typo}
  - name: very
    kind: direction
    template: "{good}"
    changed: "very {good}"
    label: good
    moves: up
    by: -0.1
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "tests.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_has_lists_for_slots_and_tests_of_three_kinds(tmp_path: Path) -> None:
    file = written(tmp_path, WHOLE)
    suite = read_suite(file)
    assert suite.slots == {"name": ("Ann", "no", "1999"), "good": ("fine",)}
    praise, names, typos, very = suite.tests
    assert isinstance(praise, MinimumTest)
    assert praise.template == ("{name} is {good}.", "All is {good}.")
    assert isinstance(names, InvarianceTest)
    assert (names.vary, names.max_cases) == ("name", 5)
    assert isinstance(typos, InvarianceTest)
    assert (typos.examples, typos.perturb) == (20, "typo")
    assert isinstance(very, DirectionTest)
    assert very.by == -0.1
    assert suite.places["very"] == f"{file}:13"


def test_words_that_yaml_takes_for_other_values_stay_words(tmp_path: Path) -> None:
    text = (
        "slots: {x: [yes, no, null, 07, 1e3]}\n"
        "tests: [{name: a, kind: minimum, template: '{x}', expect: off}]"
    )
    suite = read_suite(written(tmp_path, text))
    assert suite.slots["x"] == ("yes", "no", "null", "07", "1e3")
    assert isinstance(suite.tests[0], MinimumTest)
    assert suite.tests[0].expect == "off"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("kind: minimum", "kind: maximum", r":8: praise: there is no kind 'maximum' .* use one of"),
        ("    kind: minimum\n", "", r":6: praise: kind is not set: use one of minimum"),
        (
            "expect: good",
            "expekt: good",
            r":10: praise: expekt is not a setting: use name, .*expect",
        ),
        ('is {good}.", "All', 'is {bad}.", "All', r":6: praise: the slot \{bad\} has no list"),
        ("vary: name", "vary: place", r":11: names: no template has the slot \{place\}: set"),
        ("vary: name, ", "", r":11: names: set one of vary, changed and perturb; none is set"),
        ("vary: name", "vary: name, perturb: typo", r":11: names: .*; vary, perturb are set"),
        ("examples: 20", "examples: many", r":12: typos: examples='many': .*valid integer"),
        ("examples: 20, ", "", r":12: typos: set template, or examples"),
        ("perturb: typo", "perturb: tipo", r":12: typos: perturb='tipo': .*'typo'"),
        ("name: typos", "name: names", r":12: names: two tests have this name"),
        ("name: typos", "name: mean", r":12: mean: the name 'mean' is that of the mean"),
        ("name: typos", "name: A b", r":12: A b: name='A b': "),
        ("by: -0.1", "by: 2", r":19: very: by='2': "),
        ("moves: up", "moves: left", r":18: very: moves='left': "),
        ('changed: "very {good}"', "changed: [a, b]", r":13: very: changed has 2 texts for 1"),
        ("good: [fine]", "good: [fine, fine]", r":4: slots.good: list different values"),
        ("good: [fine]", "good: []", r":4: slots.good: list different values"),
        ("good: [fine]", "name: [fine]", r":4: 'name' is there twice"),
        ("slots:", "slot:", r":2: slot is not a setting: use slots, tests"),
        ("expect: good", "expect: [", r":\d+: this is not valid YAML: "),
        ("expect: good", 'expect: "\\ud800"', r":10: .* is not valid text"),
        ("  good: [fine]", "  ? [a]\n  : [fine]", r":4: a key must be text"),
    ],
)
def test_an_invalid_file_is_refused_with_its_line(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in WHOLE
    file = written(tmp_path, WHOLE.replace(before, after, 1))
    with pytest.raises(InputError, match=f"^{file}{message}"):
        read_suite(file)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_suite(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="is empty: write slots and tests"):
        read_suite(written(tmp_path, "# nothing\n"))
    (tmp_path / "latin.yaml").write_bytes("slots: {x: [ä]}".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8"):
        read_suite(tmp_path / "latin.yaml")
    with pytest.raises(InputError, match="refers to itself"):
        read_suite(written(tmp_path, "slots: &a {x: *a}\ntests: []"))
    with pytest.raises(InputError, match=r":1: test 1: write a mapping with name and kind"):
        read_suite(written(tmp_path, "tests: [praise]"))
    with pytest.raises(InputError, match=r":2: tests: .* at least 1 item"):
        read_suite(written(tmp_path, "slots: {}\ntests: []"))
    with pytest.raises(InputError, match=r":1: .*valid dictionary"):
        read_suite(written(tmp_path, "just words"))
