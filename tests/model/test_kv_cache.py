"""Specifies decoding through a cache: the same logits as in one pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.model.conftest import ARRANGEMENTS, build, tokens


@pytest.mark.parametrize("chunks", [[1] * 12, [4, 1, 5, 2], [12], [7, 5]], ids=str)
@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_reading_through_a_cache_gives_the_logits_of_one_pass(
    choices: dict[str, Any], chunks: list[int]
) -> None:
    model = build(**choices)
    input_ids = tokens(2, 12)
    cache = model.new_cache(2)
    read = [model(chunk, cache=cache) for chunk in input_ids.split(chunks, dim=1)]
    torch.testing.assert_close(torch.cat(read, dim=1), model(input_ids))
    assert cache.length == 12


@pytest.mark.parametrize("chunks", [[1] * 8, [4, 1, 1, 2], [8]], ids=str)
@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_padding_before_a_row_does_not_change_its_logits(
    choices: dict[str, Any], chunks: list[int]
) -> None:
    model = build(**choices)
    input_ids, padding = tokens(3, 8), torch.tensor([0, 3, 7])
    cache = model.new_cache(3, padding=padding)
    read = torch.cat([model(c, cache=cache) for c in input_ids.split(chunks, dim=1)], dim=1)
    for row, n in enumerate(padding.tolist()):
        alone = model(input_ids[row : row + 1, n:])[0]
        torch.testing.assert_close(read[row, n:], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("padding", [[0, 0, 0], [0, 3, 7]], ids=str)
@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_a_prompt_that_is_read_both_ways_is_a_prefix(
    choices: dict[str, Any], padding: list[int]
) -> None:
    model = build(**choices)
    input_ids = tokens(3, 12)
    cache = model.new_cache(3, padding=torch.tensor(padding) if any(padding) else None)
    chunks = input_ids.split([8, 1, 1, 2], dim=1)
    parts = [
        model.hidden(chunk, is_causal=number > 0, cache=cache)
        for number, chunk in enumerate(chunks)
    ]
    for row, n in enumerate(padding):
        alone = model.hidden(input_ids[row : row + 1, n:], prefix=torch.tensor([8 - n]))[0]
        torch.testing.assert_close(torch.cat(parts, dim=1)[row, n:], alone, atol=1e-5, rtol=1e-5)


def test_rows_that_a_cache_keeps_go_on_as_they_were() -> None:
    model = build()
    input_ids, kept = tokens(3, 8), torch.tensor([2, 0])
    cache = model.new_cache(3, padding=torch.tensor([0, 1, 2]))
    model(input_ids[:, :6], cache=cache)
    cache.keep(kept)
    read = model(input_ids[kept, 6:], cache=cache)
    for row, n in enumerate([2, 0]):
        alone = model(input_ids[kept[row], n:][None])[0, -2:]
        torch.testing.assert_close(read[row], alone, atol=1e-5, rtol=1e-5)


def test_a_row_goes_on_as_the_one_whose_newest_tokens_it_has_got() -> None:
    model = build()
    input_ids = tokens(1, 8).repeat(2, 1)
    input_ids[1, 4:6] = input_ids[0, :2]
    cache = model.new_cache(2)
    model(input_ids[:, :6], cache=cache)
    cache.copy(torch.tensor([0]), torch.tensor([1]), 4)
    read = model(input_ids[:, 6:], cache=cache)
    assert not torch.equal(input_ids[0], input_ids[1])
    torch.testing.assert_close(read, model(input_ids[:1])[:, -2:].repeat(2, 1, 1))
