"""Specifies what is read from a line as the input of a model."""

from __future__ import annotations

import pytest

from textmill.errors import InputError
from textmill_flows.answering.inference import read_input

COLUMNS = ("question", "context")


def test_a_line_is_the_text_or_an_object_with_the_columns() -> None:
    assert read_input(1, '{"a": 1}', ("text",)) == '{"a": 1}'
    line = '{"context": "Ann is in.", "question": "Who?", "id": 3}'
    assert read_input(1, line, COLUMNS) == {"question": "Who?", "context": "Ann is in."}


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("Who?", 'Line 7 is not JSON: write {"question": "…", "context": "…"}'),
        ("", "Line 7 is not JSON"),
        ("[1]", "Line 7: [1] has no question and context"),
        ('{"question": "Who?"}', "has no string 'context'"),
        ('{"question": "Who?", "context": null}', "has no string 'context'"),
        ("[" * 100_000, "Line 7"),
    ],
)
def test_another_line_is_named_with_what_to_write(line: str, named: str) -> None:
    with pytest.raises(InputError) as error:
        read_input(7, line, COLUMNS)
    assert named in str(error.value)
