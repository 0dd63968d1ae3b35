"""All that is done to a document by itself, whatever the others are: so that any process can."""

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
    """Prepares documents: final text, filters, fingerprints. It is pickled to worker processes.

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
        """Return each document with its final text, rejected or not."""
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
    """Reject or change documents by a filter; those that are rejected already, it does not see.

    Raises:
        ValueError: the filter gives more or fewer verdicts than documents.
    """
    left = [document for document in documents if document.rejection is None]
    verdicts = list(one.judge(left))
    if len(verdicts) != len(left):
        raise ValueError(
            f"the filter {one.name!r} gives {len(verdicts)} verdicts for {len(left)} documents: "
            "let judge yield one for each, None for a document that it keeps."
        )
    for document, verdict in zip(left, verdicts, strict=True):
        document.apply(verdict)
