"""Micro-batching: requests that arrive while a batch is computed are the next batch."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

from textmill.serving.refusals import Refusal

Input = TypeVar("Input")
Output = TypeVar("Output")


@dataclass(eq=False)
class _Waiting(Generic[Input, Output]):
    """A request that waits for its batch."""

    inputs: Sequence[Input]
    answer: asyncio.Future[list[Output]]


class Batcher(Generic[Input, Output]):
    """Computes the inputs of several requests together.

    No request waits for others to arrive: a batch is whatever waits when the previous one is done.

    Args:
        compute: returns one output for each input; runs in the executor.
        executor: where batches are computed.
        max_batch: maximum inputs of a batch, unless a single request has more.
        max_waiting: maximum waiting requests.
        observe: called with the number of inputs of each batch.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Input]], list[Output]],
        executor: Executor,
        max_batch: int,
        max_waiting: int,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.compute, self.executor = compute, executor
        self.max_batch, self.max_waiting = max_batch, max_waiting
        self.observe = observe
        self.waiting: deque[_Waiting[Input, Output]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def submit(self, inputs: Sequence[Input]) -> list[Output]:
        """Return the outputs of the inputs of one request, in their order.

        Raises:
            Refusal: too many requests are waiting.
        """
        if len(self.waiting) >= self.max_waiting:
            raise Refusal(429, f"{self.max_waiting} requests are waiting: try again later.")
        request = _Waiting[Input, Output](inputs, asyncio.get_running_loop().create_future())
        self.waiting.append(request)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            return await request.answer
        except asyncio.CancelledError:  # by a timeout, or as the client has left
            if request in self.waiting:
                self.waiting.remove(request)
            raise

    async def _run(self) -> None:
        """Compute batches until no request waits."""
        while batch := self._next_batch():
            await self._answer(batch)

    def _next_batch(self) -> list[_Waiting[Input, Output]]:
        """Return the requests of the next batch; those whose client has left are dropped."""
        batch: list[_Waiting[Input, Output]] = []
        size = 0
        while self.waiting and (not batch or size + len(self.waiting[0].inputs) <= self.max_batch):
            request = self.waiting.popleft()
            if not request.answer.done():  # cancelled by a timeout
                batch.append(request)
                size += len(request.inputs)
        return batch

    async def _answer(self, batch: Sequence[_Waiting[Input, Output]]) -> None:
        inputs = [one for request in batch for one in request.inputs]
        self.observe(len(inputs))
        loop = asyncio.get_running_loop()
        try:
            outputs = iter(await loop.run_in_executor(self.executor, self.compute, inputs))
        except Exception as error:
            if len(batch) > 1:  # one of them may be at fault: the others still get their answers
                for request in batch:
                    await self._answer([request])
            elif not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        for request in batch:
            answer = [next(outputs) for _ in request.inputs]
            if not request.answer.done():  # cancelled by a timeout
                request.answer.set_result(answer)
