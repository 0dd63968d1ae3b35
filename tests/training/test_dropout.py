"""Specifies the dropout of a training that has none configured."""

from __future__ import annotations

import pytest

from textmill.training.dropout import default_dropout


@pytest.mark.parametrize(("epochs", "dropout"), [(0.5, 0.0), (4, 0.0), (4.1, 0.1), (40, 0.1)])
def test_dropout_is_for_data_that_are_seen_often(epochs: float, dropout: float) -> None:
    assert default_dropout(epochs, 4) == dropout
