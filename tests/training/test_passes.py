"""Specifies the passes and the dropout of a training that has none configured."""

from __future__ import annotations

import pytest

from textmill.training.passes import default_dropout, default_epochs


@pytest.mark.parametrize(("epochs", "dropout"), [(0.5, 0.0), (4, 0.0), (4.1, 0.1), (40, 0.1)])
def test_dropout_is_for_data_that_are_seen_often(epochs: float, dropout: float) -> None:
    assert default_dropout(epochs, 4) == dropout


@pytest.mark.parametrize(("n", "expected"), [(10, 40), (1_500, 40), (6_000, 10), (50_000, 3)])
def test_few_examples_are_seen_more_often(n: int, expected: int) -> None:
    assert default_epochs(n, 60_000) == expected
