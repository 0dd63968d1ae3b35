"""What is done to a document alone, whatever the others are: so that any process can do it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from textmill.config import CorpusConfig
from textmill.corpus.cleaning import cleaning_steps
from textmill.corpus.near_duplicates import Sketch, Sketcher
from textmill.corpus.reading import RawDocument
from textmill.safety.redaction import redact

_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document with its final text, and what is known of it by itself."""

    text: str
    doc_id: bytes
    """Hash of the text."""
    changes: Mapping[str, int]
    """How often each kind of change was made."""
    drop: tuple[str, str] | None
    """The reason why it is dropped, and the detail; None if it is kept so far."""
    sketch: Sketch | None = None
    """What near duplicates are found by, if they are to be."""


def document_hash(text: str) -> bytes:
    """Return 128 bits by which a document is known."""
    return hashlib.blake2b(text.encode(), digest_size=_ID_BYTES).digest()


class Preparer:
    """Prepares documents: repair, redaction, filters, sketches."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._steps = cleaning_steps(config)
        self._sketcher = Sketcher(config.near_duplicates)

    def prepare(self, documents: Sequence[RawDocument]) -> list[Prepared]:
        """Return each document with its final text, dropped or not."""
        prepared = [self._prepare(document) for document in documents]
        if not self._config.near_duplicates.enabled:
            return prepared
        kept = [index for index, item in enumerate(prepared) if item.drop is None]
        sketches = self._sketcher.sketch([prepared[index].text for index in kept])
        for index, sketch in zip(kept, sketches, strict=True):
            prepared[index] = replace(prepared[index], sketch=sketch)
        return prepared

    def _prepare(self, document: RawDocument) -> Prepared:
        text, changes = self._final_text(document.text)
        return Prepared(text, document_hash(text), changes, self._reason(text))

    def _reason(self, text: str) -> tuple[str, str] | None:
        if len(text) < self._config.min_chars:
            return "too_short", f"{len(text)} characters"
        return None

    def _final_text(self, text: str) -> tuple[str, dict[str, int]]:
        """Return the text cleaned and redacted, and the count of each kind of change."""
        changes: dict[str, int] = {}
        for name, change in self._steps.items():
            changed = change(text)
            changes[name] = int(changed != text)
            text = changed
        text, replaced = redact(text, self._config.redaction)
        return text, changes | {f"redacted_{kind}": count for kind, count in replaced.items()}
