"""Writes the corpus: kept documents by split, and rejected ones with their reasons."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pyarrow as pa

from textmill.config import CorpusConfig, RedactionConfig
from textmill.corpus.cleaning.document import Decision, Prepared, Rejection
from textmill.corpus.cleaning.filters.unreadable import UnreadableRecord
from textmill.corpus.cleaning.repair import replace_surrogates
from textmill.corpus.cleaning.shards import Shards
from textmill.corpus.cleaning.summary import SPLITS, Counts
from textmill.corpus.reading.outcomes import MAX_RAW_CHARS
from textmill.corpus.reading.records import BadRecord
from textmill.corpus.reading.sources import RawDocument
from textmill.safety.redaction import redact

_DOCUMENT = pa.schema([(name, pa.string()) for name in ("text", "source", "language", "doc_id")])
_REJECTED = pa.schema(
    [
        ("text", pa.string()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("duplicate_of", pa.string()),
        ("similarity", pa.float64()),
        ("contaminates", pa.list_(pa.string())),
    ]
)
_REJECTED_CHARS = 2000
_CUT_CHARS = 320  # maximum length of an address or number


class CorpusWriter:
    """Writes the shards of train, validation and `rejected/`, and counts the documents.

    Args:
        config: settings of splits and redaction.
        folder: the folder for the shards.
    """

    def __init__(self, config: CorpusConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        shards = (Shards(self._folder / split, _DOCUMENT) for split in SPLITS)
        self._shards = dict(zip(SPLITS, map(self._stack.enter_context, shards), strict=True))
        rejected = Shards(self._folder / "rejected", _REJECTED)
        self._rejected = self._stack.enter_context(rejected)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]

    def write(
        self,
        source: str,
        chunk: Sequence[RawDocument | BadRecord],
        decisions: Sequence[Decision],
        counts: Counts,
    ) -> None:
        """Write a chunk of documents.

        Args:
            source: name of the source of the chunk.
            chunk: documents and unreadable records.
            decisions: the decision on each document, in order.
            counts: counts of the source, to which the chunk is added.
        """
        documents = [item for item in chunk if isinstance(item, RawDocument)]
        for document, decision in zip(documents, decisions, strict=True):
            for text, why in decision.examples:
                self._reject(document, source, text, why)
        decided = iter(decisions)
        for item in chunk:
            if isinstance(item, BadRecord):
                text, detail = (
                    redact_unread(raw, self._config.redaction) for raw in (item.raw, item.reason)
                )
                rejection = UnreadableRecord().reject(detail)
                self._reject(item, source, text, rejection)
                counts.reject(rejection, None)
                continue
            decision = next(decided)
            if decision.rejection is None:
                split = self._keep(decision.document, source)
                counts.keep(decision.document, split)
            else:
                self._reject(item, source, decision.judged_text, decision.rejection)
                counts.reject(decision.rejection, decision.document.bytes_read)

    def _keep(self, document: Prepared, source: str) -> str:
        """Write a document; return its split."""
        doc_id = document.doc_id.hex()
        split = split_of(doc_id, self._config.validation_share)
        row = (document.text, source, document.language, doc_id)
        self._shards[split].add(row, document.n_bytes)
        return split

    def _reject(
        self, item: RawDocument | BadRecord, source: str, text: str, rejection: Rejection
    ) -> None:
        """Write a row to `rejected/`; its text must be redacted."""
        file = replace_surrogates(os.path.basename(item.file))
        text = text[:_REJECTED_CHARS]
        self._rejected.add((text, source, file, item.line, *rejection), len(text))


def split_of(doc_id: str, validation_share: float) -> str:
    """Return the split of a document, which does not depend on the rest of the corpus."""
    return "validation" if int(doc_id[:16], 16) / 2**64 < validation_share else "train"


def redact_unread(raw: str, config: RedactionConfig) -> str:
    """Return the redacted text of an unreadable record, which was not prepared."""
    text = redact(replace_surrogates(raw), config)[0]
    # Personal data truncated at the end may no longer match its pattern.
    is_cut = len(raw) >= MAX_RAW_CHARS and config.enabled
    return text[:-_CUT_CHARS] if is_cut else text
