"""Threads for work during which a server answers other requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from textmill.serving.refusals import Refusal

Result = TypeVar("Result")

MAX_SMALL = 4_000
"""Maximum characters of texts that are checked at once: within milliseconds, and without waiting
for larger ones."""
TEXT_THREADS = 2
"""Large requests whose texts are checked at a time. As Python runs one thread at a time, more would
delay small requests and finish no sooner."""


class Workers:
    """The threads of a server; each kind of work has its own, so that none waits for another.

    Args:
        max_waiting: maximum requests with large texts at a time.
    """

    def __init__(self, max_waiting: int) -> None:
        self.max_waiting, self.n_large = max_waiting, 0
        self.predicting = ThreadPoolExecutor(1, thread_name_prefix="predict")
        """For batches of predictions."""
        self.loading = ThreadPoolExecutor(1, thread_name_prefix="load")
        """For models that a request asks for."""
        self._texts = ThreadPoolExecutor(TEXT_THREADS, thread_name_prefix="texts")

    async def on_texts(
        self, n_characters: int, work: Callable[[], Result], uses_model: bool = False
    ) -> Result:
        """Return the result of work on the texts of a request: in a thread if it takes long.

        Args:
            n_characters: length of the texts.
            work: what to do.
            uses_model: whether it runs a model, which takes long for small texts too.

        Raises:
            Refusal: too many requests with large texts are waiting.
        """
        if n_characters <= MAX_SMALL:
            return await self.in_thread(n_characters, work) if uses_model else work()
        if self.n_large >= self.max_waiting:
            raise Refusal(429, f"{self.max_waiting} large texts are waiting: try again later.")
        self.n_large += 1
        try:
            return await self.in_thread(n_characters, work)
        finally:
            self.n_large -= 1

    async def in_thread(self, n_characters: int, work: Callable[[], Result]) -> Result:
        """Return the result of work on texts, in a thread even if they are small."""
        executor = self._texts if n_characters > MAX_SMALL else None  # None: the loop's own
        return await asyncio.get_running_loop().run_in_executor(executor, work)

    def close(self) -> None:
        """Drop what has not begun."""
        for executor in (self.predicting, self.loading, self._texts):
            executor.shutdown(wait=False, cancel_futures=True)
