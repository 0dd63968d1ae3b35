"""The typed values that the stages of cleaning exchange.

read        RawDocument or BadRecord, from `textmill.corpus.reading`
prepare     Document: final text and language, independent of other documents
judge       the same Document, possibly rejected or changed by filters of single documents
prepared    Prepared: with fingerprints for deduplication; from here on the order matters
decide      Decision: kept or rejected, after comparison with earlier documents
write       a row of a split or of `rejected/`
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from textmill.corpus.cleaning.dedup.near_duplicates import Sketch
    from textmill.corpus.cleaning.filters.measures import Measures
    from textmill.corpus.shingles import Hashes

_ID_BYTES = 16


class Rejection(NamedTuple):
    """Why a document is rejected; the fields are columns of `rejected/`."""

    reason: str
    """Name of the filter."""
    detail: str = ""
    """Human-readable finding of the filter."""
    duplicate_of: str | None = None
    """Id of the earlier document that it duplicates."""
    similarity: float | None = None
    """Jaccard similarity to that document, from 0 to 1."""
    contaminates: tuple[str, ...] = ()
    """Tasks whose test sets share text with the document."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A changed text of a document, after a filter has removed a part."""

    text: str
    changes: Mapping[str, int] = field(default_factory=dict)
    """Counts of changes, by the names that the filter declares."""
    examples: tuple[tuple[str, Rejection], ...] = ()
    """Removed parts to write to `rejected/` as examples, each with its reason."""
    rejection: Rejection | None = None
    """Set if the document is rejected nevertheless, because too little of it is left."""


Verdict = Rejection | Edit | None
"""The verdict of a filter on a document; None keeps it unchanged."""


@dataclass(slots=True)
class Document:
    """A document with its final text, as judged by filters, which must not modify it."""

    text: str
    """Redacted, even if the document is rejected."""
    language: str
    """BCP 47 tag; "und" if unknown."""
    bytes_read: int = 0
    """Size of the raw text in UTF-8."""
    changes: dict[str, int] = field(default_factory=dict)
    """Nonzero counts of changes, by name."""
    rejection: Rejection | None = None
    """Why it is rejected; None if it has not been rejected so far."""
    measures: Measures | None = None
    """Cached measures of the text: see `filters.measures.measures_of`."""

    def apply(self, verdict: Verdict) -> None:
        """Apply the verdict of a filter to the document."""
        if isinstance(verdict, Edit):
            self.text, self.measures, self.rejection = verdict.text, None, verdict.rejection
            self.changes |= verdict.changes
        else:
            self.rejection = verdict


@dataclass(slots=True)
class Prepared:
    """A document with everything computed independently of other documents."""

    text: str
    language: str
    changes: dict[str, int]
    bytes_read: int
    rejection: Rejection | None
    sketch: Sketch | None = None
    """Fingerprint for near-duplicate detection, if enabled."""
    parts: Hashes | None = None
    """(parts,) hashes of its lines or paragraphs, if repeated lines are to be removed."""
    doc_id: bytes = b""
    """Id of 128 bits, if it is not rejected."""
    n_bytes: int = 0
    """Size of the final text in UTF-8, if it is not rejected."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision to keep or reject a document."""

    document: Prepared
    rejection: Rejection | None
    """Why it is rejected; None if it is kept."""
    judged_text: str
    """Its text before sequence filters removed parts of it."""
    examples: tuple[tuple[str, Rejection], ...] = ()
    """Removed parts to write to `rejected/` as examples."""


def document_id(text: bytes) -> bytes:
    """Return the id of a document, 16 bytes: a hash of its final text in UTF-8."""
    return hashlib.blake2b(text, digest_size=_ID_BYTES).digest()
