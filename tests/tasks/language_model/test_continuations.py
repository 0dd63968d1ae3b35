"""Specifies the windows in which the ends of texts are scored: equal to lm-eval's.

Their scores are specified by those of its own class, in harness/test_adapter.py.
"""

from __future__ import annotations

import pytest
from lm_eval.utils import get_rolling_token_windows

from textmill.tasks.language_model.continuations import split_windows


@pytest.mark.parametrize("n_tokens", [1, 3, 4, 5, 11, 12])
def test_windows_are_those_of_lm_eval(n_tokens: int) -> None:
    ids = [*range(1, n_tokens + 1)]
    expected = get_rolling_token_windows(ids, prefix_token=0, max_seq_len=4, context_len=1)
    for (tokens, n), (inputs, predicted) in zip(
        split_windows([0, *ids], n_tokens, 4), expected, strict=True
    ):
        assert (tokens[:-1], tokens[len(tokens) - n :]) == (inputs[-(len(tokens) - 1) :], predicted)
    assert [*split_windows([0], 0, 4)] == []
