"""Specifies the cost model: it recovers the times of a machine that keeps its assumptions."""

from __future__ import annotations

import itertools

import pytest

from textmill.training.planning.cost import Cost, Point, memory_bytes, n_parameters

ROWS, WIDTH = 32, 128


def point(n_layer: int, n_embd: int, vocab_size: int, slower: float = 1.0) -> Point:
    """A point of a machine with 1e11 FLOP/s in layers, 5e10 in the output layer."""
    n_tokens = ROWS * WIDTH
    layers = n_layer * n_tokens * (72 * n_embd**2 + 12 * n_embd * WIDTH) / 1e11
    output = vocab_size * n_tokens * 6 * n_embd / 5e10
    parameters = n_parameters(n_layer, n_embd, vocab_size)
    return Point(
        n_layer=n_layer,
        n_embd=n_embd,
        vocab_size=vocab_size,
        rows=ROWS,
        block_size=WIDTH,
        parameters=parameters,
        micro_batch_s=slower * (layers + output) + n_tokens * 1e-6,
        optimizer_s=parameters * 2e-9,
    )


def points(*widths: int) -> list[Point]:
    shapes = ((2, 2048), (6, 2048), (2, 8192))
    return [point(n, width, size) for width, (n, size) in itertools.product(widths, shapes)]


@pytest.mark.parametrize("shape", [(2, 128, 2048), (3, 192, 4096), (8, 512, 16384)])
def test_the_time_of_any_size_follows_from_the_measured_ones(shape: tuple[int, int, int]) -> None:
    cost = Cost(points(128, 512))
    n_tokens = ROWS * WIDTH
    expected = point(*shape)
    assert cost.tokens_s(*shape, WIDTH, n_tokens, n_tokens) == pytest.approx(
        expected.micro_batch_s, rel=0.01
    )
    assert cost.optimizer_s(expected.parameters, shape[1]) == pytest.approx(expected.optimizer_s)


def test_without_targets_the_output_layer_takes_no_time() -> None:
    cost = Cost(points(128))
    assert cost.tokens_s(2, 128, 2048, WIDTH, 4096, 0) < cost.tokens_s(2, 128, 2048, WIDTH, 4096, 9)
    assert cost.tokens_s(2, 128, 9999, WIDTH, 4096, 0) == cost.tokens_s(2, 128, 1, WIDTH, 4096, 0)


def test_wider_models_than_the_measured_are_as_fast_per_operation() -> None:
    cost = Cost(points(128))
    n_tokens = ROWS * WIDTH
    assert cost.tokens_s(2, 768, 2048, WIDTH, n_tokens, n_tokens) == pytest.approx(
        point(2, 768, 2048).micro_batch_s, rel=0.01
    )


def test_a_measurement_in_which_more_layers_are_faster_gives_positive_times() -> None:
    cost = Cost([point(2, 128, 2048, 2.0), point(6, 128, 2048, 0.1), point(2, 128, 8192)])
    assert cost.tokens_s(2, 128, 2048, WIDTH, 4096, 0) > 0
    assert cost.tokens_s(2, 128, 2048, WIDTH, 4096, 0) < cost.tokens_s(6, 128, 2048, WIDTH, 4096, 0)


def test_memory_grows_with_every_size() -> None:
    least = memory_bytes(2, 128, 2048, 4096, 4096)
    for larger in ((3, 128, 2048, 4096), (2, 192, 2048, 4096), (2, 128, 4096, 4096)):
        assert memory_bytes(*larger, 4096) > least
