"""Specifies micro-batches: waiting requests are computed together, and get their own answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from textmill.serving.micro_batches import Batcher
from textmill.serving.refusals import Refusal


class Computation:
    """Doubles numbers; the first batch waits until it may go on."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append([*numbers])
        self.begun.set()
        assert self.go_on.wait(10)
        if 13 in numbers:
            raise ValueError("unlucky")
        return [2 * number for number in numbers]


async def while_the_first_runs(
    computation: Computation, batcher: Batcher[int, int], *requests: Sequence[int]
) -> list[list[int] | BaseException]:
    """Return the answers to requests that came while the batch of the first was computed."""
    first, *others = requests
    running = [asyncio.create_task(batcher.submit(first))]
    await asyncio.to_thread(computation.begun.wait, 10)
    running += [asyncio.create_task(batcher.submit(request)) for request in others]
    await asyncio.sleep(0)
    computation.go_on.set()
    return await asyncio.gather(*running, return_exceptions=True)


def run(
    *requests: Sequence[int], max_batch: int = 64, max_waiting: int = 64
) -> tuple[list[list[int] | BaseException], list[list[int]]]:
    computation = Computation()
    with ThreadPoolExecutor(1) as executor:
        batcher = Batcher(computation, executor, max_batch, max_waiting)
        answers = asyncio.run(while_the_first_runs(computation, batcher, *requests))
    return answers, computation.batches


def test_requests_that_wait_are_one_batch_and_get_their_own_answers() -> None:
    answers, batches = run([1], [2, 3], [], [4])
    assert answers == [[2], [4, 6], [], [8]]
    assert batches == [[1], [2, 3, 4]]


def test_a_batch_has_a_maximum_and_a_larger_request_is_one_by_itself() -> None:
    answers, batches = run([1], [2, 3], [4, 5], [6, 7, 8, 9], max_batch=3)
    assert answers == [[2], [4, 6], [8, 10], [12, 14, 16, 18]]
    assert batches == [[1], [2, 3], [4, 5], [6, 7, 8, 9]]


def test_an_input_that_fails_fails_its_own_request_alone() -> None:
    answers, batches = run([1], [2], [13], [4])
    assert answers[:2] == [[2], [4]]
    assert answers[3] == [8]
    assert isinstance(answers[2], ValueError)
    assert batches[1] == [2, 13, 4]


def test_more_than_the_maximum_are_refused_at_once() -> None:
    answers, _ = run([1], [2], [3], [4], max_waiting=2)
    assert answers[:3] == [[2], [4], [6]]
    assert isinstance(answers[3], Refusal)
    assert answers[3].status == 429


def test_requests_that_were_given_up_do_not_count_as_waiting() -> None:
    computation = Computation()

    async def leave(batcher: Batcher[int, int]) -> list[list[int]]:
        first = asyncio.create_task(batcher.submit([1]))
        await asyncio.to_thread(computation.begun.wait, 10)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await batcher.submit([2])
        last = asyncio.create_task(batcher.submit([3]))
        await asyncio.sleep(0)
        computation.go_on.set()
        return await asyncio.gather(first, last)

    with ThreadPoolExecutor(1) as executor:
        assert asyncio.run(leave(Batcher(computation, executor, 64, 1))) == [[2], [6]]


@pytest.mark.parametrize("inputs", [[2], [13]])
def test_a_request_that_was_given_up_is_not_computed(inputs: list[int]) -> None:
    computation = Computation()

    async def leave(batcher: Batcher[int, int]) -> list[int]:
        first = asyncio.create_task(batcher.submit([1]))
        await asyncio.to_thread(computation.begun.wait, 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await batcher.submit(inputs)
        last = asyncio.create_task(batcher.submit([3]))
        computation.go_on.set()
        await first
        return await last

    with ThreadPoolExecutor(1) as executor:
        assert asyncio.run(leave(Batcher(computation, executor, 64, 64))) == [6]
    assert computation.batches == [[1], [3]]
