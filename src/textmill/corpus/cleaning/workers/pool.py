"""Preparation of documents in several processes, preserving their order."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Self

from textmill.corpus.cleaning.document import Prepared
from textmill.corpus.cleaning.prepare import Preparer
from textmill.corpus.cleaning.workers.cache import PreparedCache
from textmill.corpus.cleaning.workers.ray_cluster import RayWorkers, WorkerLost
from textmill.corpus.reading.records import BadRecord
from textmill.corpus.reading.sources import RawDocument
from textmill.errors import RunError
from textmill.hardware import cluster_address

Chunk = Sequence[RawDocument | BadRecord]

# Chunks read ahead, which bounds the memory: per worker, and those that this process prepares
# itself, enough for the time in which workers start.
_QUEUED_PER_WORKER = 2
_QUEUED_LOCALLY = 8
_MIN_LOCAL_CHUNKS = 4  # before starting workers, which takes a second each


@dataclass
class _Work:
    """A chunk whose documents are cached or being prepared."""

    chunk: Chunk
    known: list[Prepared | None]
    missing: list[RawDocument]
    future: Future[list[Prepared]]


class Pool:
    """A pool of processes that prepare documents.

    This process prepares the first chunks, and later ones while all workers are busy. Neither the
    number of processes nor the cache changes results. Workers are on a Ray cluster if there is one:
    see `hardware.cluster_address`.

    Args:
        preparer: prepares a chunk, in each process.
        n_workers: maximum number of processes, including this one.
        cache: cache of prepared documents.
    """

    def __init__(
        self, preparer: Preparer, n_workers: int, cache: PreparedCache | None = None
    ) -> None:
        self._preparer = preparer
        self._n_workers = n_workers
        self._cache = cache or PreparedCache(None)
        self._cluster = cluster_address()
        self._workers: _Processes | RayWorkers | None = None
        self._n_local = self._max_busy = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._workers is not None:
            self._workers.shutdown()

    def prepare(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, list[Prepared]]]:
        """Yield each chunk with its documents prepared, in order.

        Raises:
            RunError: one of the processes died.
        """
        waiting: deque[_Work] = deque()
        for chunk in chunks:
            n_busy = sum(not work.future.done() for work in waiting)
            waiting.append(self._begin(chunk, n_busy))
            max_waiting = self._max_busy + _QUEUED_LOCALLY
            while waiting and (waiting[0].future.done() or len(waiting) >= max_waiting):
                yield self._finish(waiting.popleft())
        while waiting:
            yield self._finish(waiting.popleft())

    def _begin(self, chunk: Chunk, n_busy: int) -> _Work:
        documents = [item for item in chunk if isinstance(item, RawDocument)]
        known = self._cache.find(documents)
        pairs = zip(documents, known, strict=True)
        missing = [document for document, found in pairs if found is None]
        future: Future[list[Prepared]] = Future()
        if not missing:
            future.set_result([])
        elif (workers := self._free_workers(n_busy)) is not None:
            future = workers.submit(missing)
        else:
            self._n_local += 1
            future.set_result(self._preparer.prepare(missing))
        return _Work(chunk, known, missing, future)

    def _free_workers(self, n_busy: int) -> _Processes | RayWorkers | None:
        """Return the workers if they should prepare a chunk, None if this process should.

        Args:
            n_busy: number of chunks that the workers have not finished.
        """
        if self._n_local < _MIN_LOCAL_CHUNKS or (self._n_workers == 1 and self._cluster is None):
            return None
        if self._workers is None:
            self._workers = self._start()
            self._max_busy = _QUEUED_PER_WORKER * self._workers.n_workers
        return self._workers if n_busy < self._max_busy else None

    def _finish(self, work: _Work) -> tuple[Chunk, list[Prepared]]:
        try:
            prepared = work.future.result()
        except (BrokenProcessPool, WorkerLost):
            raise RunError(
                "a worker process that prepares documents died, usually because it ran out of "
                "memory: use fewer threads or workers, or split the largest documents."
            ) from None
        self._cache.add(work.missing, prepared)
        new = iter(prepared)
        return work.chunk, [next(new) if found is None else found for found in work.known]

    def _start(self) -> _Processes | RayWorkers:
        if self._cluster is not None:
            return RayWorkers(self._preparer, self._cluster)
        return _Processes(self._preparer, self._n_workers - 1)


class _Processes:
    """Workers on this machine."""

    def __init__(self, preparer: Preparer, n_workers: int) -> None:
        self.n_workers = n_workers
        # Forking a multi-threaded process can deadlock.
        context = multiprocessing.get_context("spawn")
        self._executor = ProcessPoolExecutor(n_workers, context, _initialize, (preparer,))

    def submit(self, documents: list[RawDocument]) -> Future[list[Prepared]]:
        try:
            return self._executor.submit(_prepare, documents)
        except BrokenProcessPool as error:
            future: Future[list[Prepared]] = Future()
            future.set_exception(error)
            return future

    def shutdown(self) -> None:
        self._executor.shutdown(cancel_futures=True)


_preparer: Preparer | None = None  # in a worker process


def _initialize(preparer: Preparer) -> None:
    global _preparer
    _preparer = preparer
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit as soon as the step's process exits, which may be killed at any time."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _prepare(documents: list[RawDocument]) -> list[Prepared]:
    assert _preparer is not None
    return _preparer.prepare(documents)
