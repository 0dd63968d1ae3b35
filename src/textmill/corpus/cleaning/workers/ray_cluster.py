"""Preparation of documents by workers on a Ray cluster."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import cycle
from typing import Any

from textmill.config.extensions import imported
from textmill.corpus.cleaning.document import Prepared
from textmill.corpus.cleaning.prepare import Preparer
from textmill.corpus.reading.sources import RawDocument
from textmill.stage_times import STAGE_TIMES_VARIABLE


class WorkerLost(Exception):
    """A worker or its machine died."""


class RayWorkers:
    """One worker per free CPU of a cluster.

    Args:
        preparer: prepares documents, in each worker.
        address: address of the cluster, whose availability has been checked.
    """

    def __init__(self, preparer: Preparer, address: str) -> None:
        # An import statement would add Ray's version to keys, although it cannot change results.
        ray: Any = importlib.import_module("ray")
        ray.init(address, logging_level=logging.WARNING, log_to_driver=False)
        for module in imported():  # machines of a cluster may not have the user's files
            ray.cloudpickle.register_pickle_by_value(module)
        self._ray = ray
        shared = ray.put(preparer)
        # Only free CPUs: a worker waiting for a CPU would block all others.
        self.n_workers = max(1, int(ray.available_resources().get("CPU", 1)))
        kind = ray.remote(num_cpus=1, max_restarts=0)(_Worker)
        stage_times = os.environ.get(STAGE_TIMES_VARIABLE, "")
        self._workers = [kind.remote(shared, stage_times) for _ in range(self.n_workers)]
        self._next = cycle(self._workers)

    def submit(self, documents: Sequence[RawDocument]) -> Future[list[Prepared]]:
        """Submit documents to the next worker (round robin); return their future."""
        future: Future[list[Prepared]] = Future()
        remote = next(self._next).prepare.remote(list(documents)).future()
        remote.add_done_callback(lambda done: self._pass_on(done, future))
        return future

    def _pass_on(self, done: Future[list[Prepared]], future: Future[list[Prepared]]) -> None:
        error = done.exception()
        if error is None:
            future.set_result(done.result())
        elif isinstance(error, self._ray.exceptions.RayError) and not isinstance(
            error, self._ray.exceptions.RayTaskError
        ):
            future.set_exception(WorkerLost(str(error)))
        else:
            future.set_exception(error)

    def shutdown(self) -> None:
        """Stop the workers and disconnect from the cluster."""
        self._ray.shutdown()


class _Worker:
    """A Ray actor; it gets the deserialized preparer."""

    def __init__(self, preparer: Any, stage_times: str) -> None:
        self._preparer = preparer
        os.environ[STAGE_TIMES_VARIABLE] = stage_times

    def prepare(self, documents: list[RawDocument]) -> list[Prepared]:
        prepared: list[Prepared] = self._preparer.prepare(documents)
        return prepared
