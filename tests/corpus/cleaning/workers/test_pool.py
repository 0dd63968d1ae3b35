"""Specifies preparing in several processes: the same results, in order, with bounded memory."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from textmill.config import CleanConfig
from textmill.corpus.cleaning import clean as clean_module
from textmill.corpus.cleaning.clean import clean
from textmill.corpus.cleaning.document import Prepared
from textmill.corpus.cleaning.prepare import Preparer
from textmill.corpus.cleaning.workers import pool as module
from textmill.corpus.cleaning.workers.pool import Chunk, Pool
from textmill.corpus.reading.sources import RawDocument
from textmill.errors import RunError
from textmill.files import digest_folder
from textmill.hardware import THREADS_VARIABLE

CONFIG = CleanConfig.model_validate({"sources": [{"name": "a", "path": "a.txt"}]})


def document(n: int) -> RawDocument:
    return RawDocument(f"<p>The document number {n} of them all.", "a", "en", "a.txt", n)


@pytest.mark.slow
def test_the_output_is_the_same_for_one_two_and_four_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_module, "_CHUNK_DOCUMENTS", 20)
    monkeypatch.setattr(module, "_MIN_LOCAL_CHUNKS", 1)
    texts = [
        f"<b>Text</b> {n} of many that say the same, {n % 90} and {n % 70}" for n in range(200)
    ]
    lines = [json.dumps({"text": text}) for text in texts]
    lines[30] = "broken"
    off = ("gopher_quality", "c4", "fineweb")
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    config = CleanConfig.model_validate(
        {
            "sources": [{"name": "a", "path": str(tmp_path / "a.jsonl")}],
            "near_duplicates": {"enabled": True},
            "quality": {"enabled": True} | {name: {"enabled": False} for name in off},
            "validation_share": 0.3,
        }
    )
    digests = []
    for n_workers in (1, 2, 4):
        monkeypatch.setenv(THREADS_VARIABLE, str(n_workers))
        out = tmp_path / str(n_workers)
        out.mkdir()
        clean(config, {}, out)
        digests.append(digest_folder(out))
    assert digests[0] == digests[1] == digests[2]


def test_the_number_of_chunks_read_ahead_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MIN_LOCAL_CHUNKS", 0)
    read = 0

    def chunks() -> Iterator[Chunk]:
        nonlocal read
        for n in range(30):
            read += 1
            yield [document(n)]

    with Pool(Preparer(CONFIG), 1 + 1) as pool:
        for done, (chunk, (prepared,)) in enumerate(pool.prepare(chunks())):
            assert [item.line for item in chunk] == [done]
            assert prepared.text == f"The document number {done} of them all."
            assert read <= done + 1 + module._QUEUED_PER_WORKER + module._QUEUED_LOCALLY
    assert read == 30


class Reluctant:
    """A worker that finishes nothing before it is told to."""

    n_workers = 1

    def __init__(self) -> None:
        self.given: list[int] = []
        self._waiting: list[tuple[Future[list[Prepared]], list[RawDocument]]] = []

    def submit(self, documents: list[RawDocument]) -> Future[list[Prepared]]:
        future: Future[list[Prepared]] = Future()
        self.given += [item.line for item in documents]
        self._waiting.append((future, documents))
        return future

    def finish(self) -> None:
        for future, documents in self._waiting:
            future.set_result(Preparer(CONFIG).prepare(documents))
        self._waiting.clear()

    def shutdown(self) -> None:
        self.finish()


def test_this_process_prepares_chunks_while_all_workers_are_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MIN_LOCAL_CHUNKS", 1)
    worker = Reluctant()
    monkeypatch.setattr(Pool, "_start", lambda self: worker)

    def chunks() -> Iterator[Chunk]:
        for n in range(10):
            if n == 7:
                worker.finish()
            yield [document(n)]
        worker.finish()

    with Pool(Preparer(CONFIG), 2) as pool:
        prepared = [item.text for _, items in pool.prepare(chunks()) for item in items]
    assert prepared == [f"The document number {n} of them all." for n in range(10)]
    assert worker.given == [1, 2, 7, 8]


class Mortal(Preparer):
    """Prepares documents in the step's own process alone."""

    def prepare(self, documents: Sequence[RawDocument]) -> list[Prepared]:
        if multiprocessing.parent_process() is not None:
            os._exit(1)
        return super().prepare(documents)


@pytest.mark.parametrize("is_noticed", [False, True])
def test_a_worker_that_dies_stops_the_step(
    is_noticed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MIN_LOCAL_CHUNKS", 1)

    def chunks() -> Iterator[Chunk]:
        for n in range(4):
            yield [document(n)]
            if is_noticed:
                while multiprocessing.active_children():
                    time.sleep(0.01)

    with Pool(Mortal(CONFIG), 2) as pool, pytest.raises(RunError, match="ran out of memory"):
        list(pool.prepare(chunks()))


def test_a_small_corpus_starts_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pool, "_start", lambda self: pytest.fail("started"))
    with Pool(Preparer(CONFIG), 4) as pool:
        assert len(list(pool.prepare([[document(n)] for n in range(4)]))) == 4
