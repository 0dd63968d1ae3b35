"""Preparation of documents independently of each other, so that any process can do it."""

from __future__ import annotations

from collections.abc import Sequence

from textmill.config import CleanConfig
from textmill.corpus.cleaning.dedup.fingerprints import Fingerprinter
from textmill.corpus.cleaning.document import Document, Prepared
from textmill.corpus.cleaning.filters.chain import filters_of
from textmill.corpus.cleaning.filters.contract import Filter
from textmill.corpus.cleaning.final_text import FinalTexts
from textmill.corpus.reading.sources import RawDocument
from textmill.stage_times import StageTimer


class Preparer:
    """Prepares documents: final text, filters, fingerprints. Pickled to worker processes.

    Raises:
        InputError: a test set cannot be read.
        RunError: the hub cannot be reached.
    """

    def __init__(self, config: CleanConfig) -> None:
        self._final_texts = FinalTexts(config)
        self._filters = [
            one.configured(config)
            for one in filters_of(config)
            if isinstance(one, Filter) and one.is_enabled(config)
        ]
        self._fingerprinter = Fingerprinter(config)
        self._timer = StageTimer()

    def prepare(self, raw: Sequence[RawDocument]) -> list[Prepared]:
        """Return each document with its final text, whether rejected or not."""
        self._timer.start()
        documents = self._final_texts.documents(raw, self._timer)
        for one in self._filters:
            judge(one, documents)
            self._timer.end(one.name)
        prepared = self._fingerprinter.prepared(documents)
        self._timer.end("signatures")
        self._timer.stop(sum(document.bytes_read for document in documents))
        return prepared


def judge(one: Filter, documents: Sequence[Document]) -> None:
    """Apply a filter to the documents that are not rejected yet.

    Raises:
        ValueError: the number of verdicts differs from the number of documents.
    """
    left = [document for document in documents if document.rejection is None]
    verdicts = list(one.judge(left))
    if len(verdicts) != len(left):
        raise ValueError(
            f"the filter {one.name!r} returned {len(verdicts)} verdicts for {len(left)} documents: "
            "its judge must yield one per document, None to keep it."
        )
    for document, verdict in zip(left, verdicts, strict=True):
        document.apply(verdict)
