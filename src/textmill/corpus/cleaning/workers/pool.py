"""Documents prepared in several processes, in the order in which they were read."""

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

# What is read ahead, and bounds the memory, in chunks: for each worker, and those that this process
# prepares meanwhile, which are as many as it can while a worker starts.
_WAITING = 2
_HERE = 8
_ALONE = 4  # chunks after which workers are worth the second that each takes to start


@dataclass
class _Work:
    """A chunk whose documents are known already, or are being prepared."""

    chunk: Chunk
    known: list[Prepared | None]
    missing: list[RawDocument]
    future: Future[list[Prepared]]


class Pool:
    """Processes that prepare documents.

    The first chunks are prepared in this process, and later ones while all others are busy. The
    number of processes changes no result, nor does the cache. The others are on a Ray cluster, if
    there is one: see `hardware.cluster_address`.

    Args:
        preparer: prepares a chunk, in each of them.
        n_workers: processes at most, including this one.
        cache: documents that are prepared already.
    """

    def __init__(
        self, preparer: Preparer, n_workers: int, cache: PreparedCache | None = None
    ) -> None:
        self._preparer = preparer
        self._n_workers = n_workers
        self._cache = cache or PreparedCache(None)
        self._cluster = cluster_address()
        self._workers: _Processes | RayWorkers | None = None
        self._n_here = self._most_busy = 0

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
            while waiting and (waiting[0].future.done() or len(waiting) >= self._most_busy + _HERE):
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
            self._n_here += 1
            future.set_result(self._preparer.prepare(missing))
        return _Work(chunk, known, missing, future)

    def _free_workers(self, n_busy: int) -> _Processes | RayWorkers | None:
        """Return the workers if they are to prepare a chunk, None if this process is.

        Args:
            n_busy: chunks that they have not finished.
        """
        if self._n_here < _ALONE or (self._n_workers == 1 and self._cluster is None):
            return None
        if self._workers is None:
            self._workers = self._start()
            self._most_busy = _WAITING * self._workers.n_workers
        return self._workers if n_busy < self._most_busy else None

    def _finish(self, work: _Work) -> tuple[Chunk, list[Prepared]]:
        try:
            prepared = work.future.result()
        except (BrokenProcessPool, WorkerLost):
            raise RunError(
                "a process that prepares documents died; the usual reason is that memory ran out: "
                "run with fewer threads or workers, or divide the largest documents."
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
        # Forking a process that has threads can leave locks held forever.
        context = multiprocessing.get_context("spawn")
        self._executor = ProcessPoolExecutor(n_workers, context, _begin, (preparer,))

    def submit(self, documents: list[RawDocument]) -> Future[list[Prepared]]:
        try:
            return self._executor.submit(_prepare, documents)
        except BrokenProcessPool as error:
            future: Future[list[Prepared]] = Future()
            future.set_exception(error)
            return future

    def shutdown(self) -> None:
        self._executor.shutdown(cancel_futures=True)


_preparer: Preparer | None = None  # of a worker's process


def _begin(preparer: Preparer) -> None:
    global _preparer
    _preparer = preparer
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exit as soon as the step's process ends, which may be killed at any time."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _prepare(documents: list[RawDocument]) -> list[Prepared]:
    assert _preparer is not None
    return _preparer.prepare(documents)
