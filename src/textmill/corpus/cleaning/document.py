"""A document on its way into a corpus: the typed values that the stages of cleaning hand on.

read        RawDocument or BadRecord, of `textmill.corpus.reading`
prepare     Document: final text and language, by itself
judge       the same, rejected or changed by the filters that judge it by itself
prepared    Prepared: with what duplicates are found by; from here on the order counts
decide      Decision: kept or rejected, beside those before it
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
    """What the filter found, in words."""
    duplicate_of: str | None = None
    """Id of the earlier document that it duplicates."""
    similarity: float | None = None
    """To that document, from 0 to 1 (Jaccard)."""
    contaminates: tuple[str, ...] = ()
    """Tasks with whose test sets it shares text."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Another text for a document, of which a filter has removed a part."""

    text: str
    changes: Mapping[str, int] = field(default_factory=dict)
    """What was changed how often, by the names that the filter declares."""
    examples: tuple[tuple[str, Rejection], ...] = ()
    """Removed parts to be shown in `rejected/`, each with the reason that stands there."""
    rejection: Rejection | None = None
    """Why the document is rejected all the same: too little is left of it."""


Verdict = Rejection | Edit | None
"""What a filter makes of a document; None keeps it as it is."""


@dataclass(slots=True)
class Document:
    """A document with its final text, as filters judge it; they read it and change nothing."""

    text: str
    """Redacted even where it is rejected."""
    language: str
    """BCP 47 tag; "und" if unknown."""
    bytes_read: int = 0
    """Before any change."""
    changes: dict[str, int] = field(default_factory=dict)
    """How often each kind of change was made, if it was."""
    rejection: Rejection | None = None
    """Why it is rejected; None if it is kept so far."""
    measures: Measures | None = None
    """Of the text, once a filter has asked for them: see `filters.measures.measures_of`."""

    def apply(self, verdict: Verdict) -> None:
        """Reject or change the document as a filter has decided."""
        if isinstance(verdict, Edit):
            self.text, self.measures, self.rejection = verdict.text, None, verdict.rejection
            self.changes |= verdict.changes
        else:
            self.rejection = verdict


@dataclass(slots=True)
class Prepared:
    """A document with all that can be known of it by itself."""

    text: str
    language: str
    changes: dict[str, int]
    bytes_read: int
    rejection: Rejection | None
    sketch: Sketch | None = None
    """What near duplicates are found by, if they are to be."""
    parts: Hashes | None = None
    """(parts,) hashes of its lines or paragraphs, if repeated ones are to be found."""
    doc_id: bytes = b""
    """128 bits by which it is known, if it is not rejected."""
    n_bytes: int = 0
    """Of the final text, if it is not rejected."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a document."""

    document: Prepared
    rejection: Rejection | None
    """Why it is rejected; None if it is kept."""
    judged_text: str
    """Its text before the filters that compare documents removed parts of it."""
    examples: tuple[tuple[str, Rejection], ...] = ()
    """Parts that they removed, to be shown in `rejected/`."""


def document_id(text: bytes) -> bytes:
    """Return the id of a document, 16 bytes: a hash of its final text in UTF-8."""
    return hashlib.blake2b(text, digest_size=_ID_BYTES).digest()
