"""Specifies the inputs of models with one column or several."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stores import SPECS
from textmill.config import KINDS
from textmill.tasks.inputs import checked, size_of, text_key
from textmill.tasks.kinds import answers_of, examples_of
from textmill.tasks.shown import page_of

BOTH = ("question", "context")


def test_a_text_and_an_object_with_all_columns_are_inputs() -> None:
    assert checked("Ann", ["text"]) == "Ann"
    given = {"context": "Ann is in.", "question": "Who?", "id": 7}
    assert checked(given, BOTH) == {"question": "Who?", "context": "Ann is in."}


@pytest.mark.parametrize(
    ("given", "columns", "named"),
    [
        (3, ["text"], "3 is not a string"),
        ({"text": "x"}, ["text"], "is not a string"),
        ("Who?", BOTH, "'Who\\?' has no question and context"),
        ({"question": "Who?"}, BOTH, "no string 'context': it needs question and context"),
        ({"question": 3, "context": "x" * 99}, BOTH, "… has no string 'question'"),
    ],
)
def test_other_inputs_are_refused(given: Any, columns: list[str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        checked(given, columns)


def test_lone_surrogates_are_replaced() -> None:
    assert checked("a\ud800b", ["text"]) == "a\ufffdb"
    given = {"question": "😀?", "context": "\udc00"}
    assert checked(given, BOTH) == {"question": "😀?", "context": "\ufffd"}


def test_the_size_of_an_input_is_that_of_its_texts() -> None:
    assert size_of("abc") == 3
    assert size_of(["abc", "d"]) == 2
    assert size_of({"question": "Who?", "context": "Ann"}) == 7


def test_keys_tell_columns_apart() -> None:
    one, other = {"question": "a b", "context": "c"}, {"question": "a", "context": "b c"}
    assert text_key(one) != text_key(other)
    assert text_key(one) == text_key({"question": "A  b", "context": "c"})


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_kind_is_an_input_of_its_models(kind: str) -> None:
    example = dict(page_of(kind).EXAMPLE)
    columns = answers_of(kind).columns(examples_of(kind).Spec(*SPECS[kind]))
    assert {*columns} <= example.keys()
    given = checked(example if len(columns) > 1 else example["text"], columns)
    assert size_of(given) > 10
