"""What is done to a document alone, whatever the others are: so that any process can do it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from textmill.config import AUTO, CorpusConfig, TestSetConfig
from textmill.corpus.cleaning.dedup.near_duplicates import Sketch, Sketcher
from textmill.corpus.cleaning.dedup.repeated_lines import hash_parts
from textmill.corpus.cleaning.filters.contamination import TestNgrams
from textmill.corpus.cleaning.filters.quality import judge
from textmill.corpus.cleaning.language import UNKNOWN, identify_language
from textmill.corpus.cleaning.repair import cleaning_steps, replace_surrogates
from textmill.corpus.reading.html import NoMainContent
from textmill.corpus.reading.sources import RawDocument
from textmill.corpus.shingles import Hashes
from textmill.safety.redaction import redact
from textmill.stage_times import StageTimer

_ID_BYTES = 16


class Rejection(NamedTuple):
    """Why a document is rejected; its fields are columns of `rejected/`."""

    reason: str
    """Name of the filter."""
    detail: str = ""
    """What the filter found, in words."""
    duplicate_of: str | None = None
    """Id of the earlier document that it duplicates."""
    similarity: float | None = None
    """To that document, from 0 to 1 (Jaccard)."""


@dataclass(slots=True)
class Prepared:
    """A document with its final text, and what is known of it by itself."""

    text: str
    """Redacted even where it is dropped."""
    language: str
    changes: dict[str, int]
    """How often each kind of change was made, if it was."""
    bytes_read: int
    """Before any change."""
    drop: Rejection | None
    """Why it is dropped; None if it is kept so far."""
    contaminates: tuple[str, ...] = ()
    """Tasks with whose test sets it shares a run of words."""
    sketch: Sketch | None = None
    """What near duplicates are found by, if they are to be."""
    parts: Hashes | None = None
    """(parts,) hashes of its lines or paragraphs, if repeated ones are to be found."""
    doc_id: bytes = b""
    """128 bits by which it is known, if it is not dropped."""
    n_bytes: int = 0
    """Of the final text, if it is not dropped."""


def document_id(text: str) -> str:
    """Return the id of a document: a 128-bit hash of its final text, in hexadecimal."""
    return _hash(text.encode()).hex()


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_ID_BYTES).digest()


class Preparer:
    """Prepares documents: repair, redaction, filters, sketches."""

    def __init__(self, config: CorpusConfig, test_sets: Sequence[TestSetConfig] = ()) -> None:
        self._config = config
        self._steps = cleaning_steps(config)
        self._html_steps = cleaning_steps(config, is_html=True)
        self._timer = StageTimer()
        self._test_ngrams: TestNgrams | None = None
        if config.decontamination.enabled:
            self._test_ngrams = TestNgrams(config.decontamination, test_sets, self._final_text)
        self._sketcher = Sketcher(config.near_duplicates)

    def prepare(self, documents: Sequence[RawDocument]) -> list[Prepared]:
        """Return each document with its final text, dropped or not."""
        self._timer.start()
        prepared = self._clean(documents)
        if self._config.quality.enabled:
            self._judge(prepared)
            self._timer.end("quality")
        if self._test_ngrams is not None:
            self._compare(self._test_ngrams, prepared)
            self._timer.end("decontamination")
        kept = [item for item in prepared if item.drop is None]
        self._describe(kept)
        if self._config.repeated_lines.enabled:
            hashes = hash_parts([item.text for item in kept], self._config.repeated_lines)
            for item, parts in zip(kept, hashes, strict=True):
                item.parts = parts
        self._timer.end("signatures")
        self._timer.stop(sum(item.bytes_read for item in prepared))
        return prepared

    def change(self, prepared: Prepared, text: str) -> None:
        """Give a document another text, which may be too short now."""
        prepared.text, prepared.drop = text, self._too_short(text)
        self._describe([prepared])

    def _describe(self, kept: Sequence[Prepared]) -> None:
        """Note what documents with their final text are known and found by."""
        for item in kept:
            content = item.text.encode()
            item.doc_id, item.n_bytes = _hash(content), len(content)
        if self._config.near_duplicates.enabled:
            sketches = self._sketcher.sketch([item.text for item in kept])
            for item, sketch in zip(kept, sketches, strict=True):
                item.sketch = sketch

    def _clean(self, documents: Sequence[RawDocument]) -> list[Prepared]:
        """Return documents with their final text and language; what is too short is dropped."""
        prepared = [
            Prepared(
                document.text,
                document.language,
                changes={},
                bytes_read=len(document.text.encode(errors="surrogatepass")),
                drop=None,
            )
            for document in documents
        ]
        for steps, is_html in ((self._steps, False), (self._html_steps, True)):
            pairs = zip(documents, prepared, strict=True)
            self._change(steps, [item for document, item in pairs if document.is_html is is_html])
        self._redact(prepared)
        for item in prepared:
            item.drop = item.drop or self._too_short(item.text)
        self._identify([item for item in prepared if item.language == AUTO])
        for item in prepared:
            item.drop = item.drop or self._foreign(item.language)
        return prepared

    def _change(
        self, steps: Mapping[str, Callable[[str], str]], prepared: Sequence[Prepared]
    ) -> None:
        """Clean texts, and note what was changed; stage by stage, as their times are measured."""
        if not prepared:
            return
        for name, change in steps.items():
            for item in prepared:
                if item.drop is not None:
                    continue
                try:
                    changed = change(item.text)
                except NoMainContent as error:
                    item.drop = Rejection("no_main_content", str(error))
                    item.text = replace_surrogates(item.text)
                    continue
                if changed != item.text:
                    item.changes[name] = 1
                    item.text = changed
            self._timer.end(name)

    def _redact(self, prepared: Sequence[Prepared]) -> None:
        for item in prepared:
            item.text, replaced = redact(item.text, self._config.redaction)
            if item.drop is None:
                found = {f"redacted_{kind}": count for kind, count in replaced.items() if count}
                item.changes |= found
        self._timer.end("redaction")

    def _identify(self, prepared: Sequence[Prepared]) -> None:
        for item in prepared:
            item.language = UNKNOWN if item.drop else identify_language(item.text)
        if prepared:
            self._timer.end("language")

    def _too_short(self, text: str) -> Rejection | None:
        if len(text) < self._config.min_chars:
            return Rejection("too_short", f"{len(text)} characters")
        return None

    def _foreign(self, language: str) -> Rejection | None:
        wanted = self._config.languages
        if not wanted or language in wanted or language.partition("-")[0] in wanted:
            return None
        return Rejection("language", language)

    def _judge(self, prepared: Sequence[Prepared]) -> None:
        kept = [item for item in prepared if item.drop is None]
        texts = [item.text for item in kept]
        languages = [item.language for item in kept]
        verdicts = judge(texts, languages, self._config.quality)
        for item, (text, drop, n_lines) in zip(kept, verdicts, strict=True):
            item.text = text
            item.drop = Rejection(*drop) if drop else self._too_short(text)
            if n_lines:
                item.changes["dropped_lines"] = n_lines

    def _compare(self, ngrams: TestNgrams, prepared: Sequence[Prepared]) -> None:
        kept = [item for item in prepared if item.drop is None]
        for item, found in zip(kept, ngrams.find([item.text for item in kept]), strict=True):
            if found is not None:
                item.contaminates = found.tasks
                item.drop = Rejection("contaminated", f"{', '.join(found.tasks)}: {found.words}")

    def _final_text(self, text: str) -> str:
        """Return a text of a test set as it would stand in a document."""
        item = Prepared(text, UNKNOWN, changes={}, bytes_read=0, drop=None)
        self._change(self._steps, [item])
        self._redact([item])
        return item.text
