"""Specifies what a request of OpenAI's API sets of the sampling."""

from __future__ import annotations

from typing import Any

import pytest

from textmill.serving.openai.api_schemas import CompletionRequest


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"temperature": 0, "top_k": 5}, {"temperature": 0, "top_k": 5}),
        ({"temperature": None, "seed": None, "stop": None}, {}),
        ({"top_k": None}, {"top_k": None}),
    ],
)
def test_null_is_as_configured_but_no_limit_of_top_k(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert CompletionRequest(prompt="a", **given).sampling == expected
