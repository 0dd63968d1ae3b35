"""Fingerprints for deduplication: ids, sketches and hashes of lines, computed in any process."""

from __future__ import annotations

from collections.abc import Sequence

from textmill.config import CorpusConfig
from textmill.corpus.cleaning.dedup.near_duplicates import Sketcher
from textmill.corpus.cleaning.dedup.repeated_lines import hash_parts
from textmill.corpus.cleaning.document import Document, Prepared, document_id


class Fingerprinter:
    """Computes the fingerprints that the enabled filters compare."""

    def __init__(self, config: CorpusConfig) -> None:
        near, lines = config.near_duplicates, config.repeated_lines
        self._sketcher = Sketcher(near) if near.enabled else None
        self._lines = lines if lines.enabled else None

    def prepared(self, documents: Sequence[Document]) -> list[Prepared]:
        """Return the documents with fingerprints, except rejected ones."""
        prepared = [
            Prepared(one.text, one.language, one.changes, one.bytes_read, one.rejection)
            for one in documents
        ]
        kept = [item for item in prepared if item.rejection is None]
        self._add(kept)
        if self._lines is not None:
            hashes = hash_parts([item.text for item in kept], self._lines)
            for item, parts in zip(kept, hashes, strict=True):
                item.parts = parts
        return prepared

    def change(self, document: Prepared, text: str) -> None:
        """Change the text of a document; the hashes of its lines remain those already compared."""
        document.text = text
        self._add([document])

    def _add(self, documents: Sequence[Prepared]) -> None:
        for item in documents:
            content = item.text.encode()
            item.doc_id, item.n_bytes = document_id(content), len(content)
        if self._sketcher is not None:
            sketches = self._sketcher.sketch([item.text for item in documents])
            for item, sketch in zip(documents, sketches, strict=True):
                item.sketch = sketch
