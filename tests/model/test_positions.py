"""Specifies positions: within documents, and by rotation."""

from __future__ import annotations

import torch

from tests.model.conftest import build
from textmill.model.positions import positions_within, rotate


def test_positions_count_from_the_start_of_each_document() -> None:
    documents = torch.tensor([[4, 4, 4, 1, 1, 4], [0, 1, 2, 2, 2, 2]])
    expected = [[0, 1, 2, 0, 1, 0], [0, 0, 0, 1, 2, 3]]
    assert positions_within(documents).tolist() == expected


def test_rotated_products_depend_on_the_distance_alone() -> None:
    model = build(position="rotary")
    q, k = torch.randn(2, 8, dtype=torch.float64)
    at = [(rotate(q, c, s), rotate(k, c, s)) for c, s in zip(model.cos, model.sin, strict=True)]
    scores = [at[t][0] @ at[t - 3][1] for t in range(3, 12)]
    torch.testing.assert_close(scores, [scores[0]] * 9, atol=1e-6, rtol=0)
    assert abs(at[5][0] @ at[3][1] - scores[0]) > 1e-3


def test_channels_beyond_the_share_are_not_rotated() -> None:
    model = build(position="rotary", rotary_share=0.5)
    x = torch.randn(8, dtype=torch.float64)
    turned = rotate(x, model.cos[5], model.sin[5])
    assert torch.equal(turned[4:], x[4:])
    assert not torch.isclose(turned[:4], x[:4]).any()
