"""The step `clean`: sources in, a corpus of Parquet shards out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa

from textmill.config import CleanConfig, CorpusConfig, SourceConfig
from textmill.corpus.batching import batches
from textmill.corpus.cleaning.dedup.near_duplicates import NearDuplicates
from textmill.corpus.cleaning.dedup.repeated_lines import RepeatedLines
from textmill.corpus.cleaning.dedup.seen import SeenIds
from textmill.corpus.cleaning.document import Prepared, Preparer, Rejection
from textmill.corpus.cleaning.filters import FILTERS
from textmill.corpus.cleaning.receipts import write_receipts
from textmill.corpus.cleaning.repair import replace_surrogates
from textmill.corpus.cleaning.shards import Shards
from textmill.corpus.cleaning.workers.cache import PreparedCache
from textmill.corpus.cleaning.workers.pool import Pool
from textmill.corpus.reading.outcomes import MAX_RAW_CHARS
from textmill.corpus.reading.records import BadRecord
from textmill.corpus.reading.sources import RawDocument, read_documents
from textmill.errors import InputError, listed
from textmill.files import CachePlace, write_json
from textmill.hardware import n_threads
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.safety.redaction import check_regions, redact
from textmill.stage_times import StageTimer

SPLITS = ("train", "validation")
ENCODING = "files_in_"
"""How names of counts of files begin that were read in another encoding than UTF-8."""

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
    ]
)
_REJECTED_CHARS = 2000
_CUT_CHARS = 320  # that an address or number may have
_LINE_EXAMPLES = 1000  # of repeated lines that are rejected, each once
_CHUNK_CHARS = 1 << 19  # of documents that are prepared together
_CHUNK_DOCUMENTS = 512
_COUNTS = (
    "documents_read",
    "documents_kept",
    *(f"documents_{split}" for split in SPLITS),
    "bytes_read",
    "bytes_kept",
    "repaired_unicode",
    "stripped_html",
    *(f"redacted_{kind}" for kind in PLACEHOLDERS),
)


def clean(
    config: CleanConfig, inputs: Mapping[str, Path], out: Path, cache: CachePlace | None = None
) -> None:
    """Write the cleaned corpus: shards of train and validation, what was rejected, and metrics.

    The documents read are those kept and those rejected, each for one reason. Changes and
    replacements are counted in the documents kept. Every count stands there for the whole corpus,
    and for each source as `<count>/<source>`. Bytes of what was rejected are those read.

    Args:
        config: The sources, how to clean them, and the test sets they must not hold.
        inputs: Nothing; a corpus begins with files that no step has made.
        out: An empty folder.
        cache: Where documents are kept as they were prepared by this very code and configuration.

    Raises:
        InputError: A source cannot be read, too much of it is broken, a split is left empty, or
            a region of redaction is not known.
        RunError: The hub cannot be reached.
    """
    check_regions(config.redaction)
    with ExitStack() as stack:
        shards = {split: stack.enter_context(Shards(out / split, _DOCUMENT)) for split in SPLITS}
        rejected = stack.enter_context(Shards(out / "rejected", _REJECTED))
        near = stack.enter_context(NearDuplicates(config.near_duplicates, out))
        known = stack.enter_context(PreparedCache(cache))
        preparer = Preparer(config, config.test_sets)
        pool = stack.enter_context(Pool(preparer, n_threads(), known))
        cleaner = _Cleaner(config, shards, rejected, near, pool, preparer)
        for source in config.sources:
            cleaner.read(source)
    _check_splits(config, cleaner.counts)
    names = _count_names(config, cleaner.counts)
    found = ("language_", "bytes_language_", ENCODING)
    names += sorted(name for name in cleaner.counts if name.startswith(found))
    # A record that cannot be read may be cut off, and has no size.
    reasons = [n for n in names if n.startswith("rejected_") and n != "rejected_bad_record"]
    names += [f"bytes_{reason}" for reason in reasons]
    metrics = {name: cleaner.counts[name] for name in names}
    metrics |= write_receipts(out, SPLITS)
    for source_name, counts in cleaner.counts_of_sources.items():
        metrics |= {f"{name}/{source_name}": counts[name] for name in names}
    write_json(out / "metrics.json", metrics)


def _count_names(config: CleanConfig, counts: Mapping[str, int]) -> list[str]:
    """Return what is counted: what always is, what the filters that are on do, and what is found.

    Args:
        config: how the sources are cleaned.
        counts: of all sources.
    """
    names = list(_COUNTS)
    names += [
        f"rejected_{one.name}"
        for one in FILTERS
        if one.is_on(config) or f"rejected_{one.name}" in counts
    ]
    names += ["extracted_html"] if "extracted_html" in counts else []
    names += ["dropped_lines"] if config.quality.enabled and config.quality.c4.enabled else []
    if config.decontamination.enabled:
        names += [f"contaminated_{test_set.name}" for test_set in config.test_sets]
    names += ["dropped_repeated_lines"] if config.repeated_lines.enabled else []
    return names


def split_of(doc_id: str, validation_share: float) -> str:
    """Return the split of a document; it stays the same whatever else is in the corpus."""
    return "validation" if int(doc_id[:16], 16) / 2**64 < validation_share else "train"


class _Cleaner:
    """Sorts the documents of all sources into shards, and counts."""

    def __init__(
        self,
        config: CleanConfig,
        shards: Mapping[str, Shards],
        rejected: Shards,
        near_duplicates: NearDuplicates,
        pool: Pool,
        preparer: Preparer,
    ) -> None:
        self._config = config
        self._pool = pool
        self._preparer = preparer
        self._repeated_lines = RepeatedLines(config.repeated_lines)
        self._line_examples: set[int] = set()
        self._shards = shards
        self._rejected = rejected
        self._seen = SeenIds()
        self._near_duplicates = near_duplicates
        self._timer = StageTimer()
        self.counts: Counter[str] = Counter()
        self.counts_of_sources: dict[str, Counter[str]] = {}

    def read(self, source: SourceConfig) -> None:
        """Take in all documents of a source.

        Raises:
            InputError: Among other reasons, too many of its records are bad.
        """
        before = self.counts.copy()
        read = bad = 0
        first_bad: BadRecord | None = None
        encodings: Counter[str] = Counter()
        chunks = batches(read_documents(source, encodings), _size, _CHUNK_CHARS, _CHUNK_DOCUMENTS)
        chunks = self._timer.timed("reading", chunks)
        for chunk, documents in self._pool.prepare(chunks):
            self._timer.start()
            raw = [item for item in chunk if isinstance(item, RawDocument)]
            texts = [item.text for item in documents]  # before repeated lines go from them
            drops = [self._why_dropped(*pair, source) for pair in zip(raw, documents, strict=True)]
            self._timer.end("duplicates")
            decided = zip(documents, texts, drops, strict=True)
            for item in chunk:
                read += 1
                if isinstance(item, BadRecord):
                    bad += 1
                    first_bad = first_bad or item
                    text, why = self._redacted(item.raw), self._redacted(item.reason)
                    self._put_aside(item, source, text, Rejection("bad_record", why))
                    self.counts["rejected_bad_record"] += 1
                else:
                    self._take(item, source, *next(decided))
            self._timer.end("writing")
            self._timer.stop(sum(document.bytes_read for document in documents), ahead="reading")
        if not read:
            raise InputError(
                f"source {source.name!r}: {source.path or source.hub} holds no document: fix it, "
                "or take the source out."
            )
        self.counts["documents_read"] += read
        self.counts.update({f"{ENCODING}{name}": files for name, files in encodings.items()})
        self.counts_of_sources[source.name] = self.counts - before
        if first_bad and bad > self._config.max_bad_share * read:
            raise InputError(
                f"source {source.name!r}: {bad} of {read} records ({bad / read:.1%}) cannot be "
                f"read, more than corpus.max_bad_share={self._config.max_bad_share} allows. "
                f"The first is {first_bad.file}:{first_bad.line}: "
                f"{self._redacted(first_bad.reason)}. "
                "Fix the source, or raise corpus.max_bad_share."
            )

    def _redacted(self, raw: str) -> str:
        """Return a text that was never prepared without personal data."""
        text = redact(replace_surrogates(raw), self._config.redaction)[0]
        # What the text was cut off in is known by its form no longer.
        is_cut = len(raw) >= MAX_RAW_CHARS and self._config.redaction.enabled
        return text[:-_CUT_CHARS] if is_cut else text

    def _why_dropped(
        self, document: RawDocument, prepared: Prepared, source: SourceConfig
    ) -> Rejection | None:
        """Return why a document is dropped; else, remember it for those that follow."""
        return (
            prepared.drop
            or self._exact_duplicate(prepared)
            or self._repeated(prepared, document, source)
            or self._near_duplicate(prepared)
        )

    def _take(
        self,
        document: RawDocument,
        source: SourceConfig,
        prepared: Prepared,
        text: str,
        drop: Rejection | None,
    ) -> None:
        """Keep a document, or put it aside with the text that it was dropped for."""
        self.counts["bytes_read"] += prepared.bytes_read
        if drop:
            self._put_aside(document, source, text, drop)
            self.counts[f"rejected_{drop.reason}"] += 1
            self.counts[f"bytes_rejected_{drop.reason}"] += prepared.bytes_read
            self.counts.update(f"contaminated_{task}" for task in prepared.contaminates)
            return
        doc_id = prepared.doc_id.hex()
        split = split_of(doc_id, self._config.validation_share)
        row = (prepared.text, source.name, prepared.language, doc_id)
        self._shards[split].add(row, prepared.n_bytes)
        self.counts.update(prepared.changes)
        self.counts["documents_kept"] += 1
        self.counts[f"language_{prepared.language}"] += 1
        self.counts[f"bytes_language_{prepared.language}"] += prepared.n_bytes
        self.counts[f"documents_{split}"] += 1
        self.counts["bytes_kept"] += prepared.n_bytes

    def _exact_duplicate(self, prepared: Prepared) -> Rejection | None:
        """Return why a document is a duplicate of one kept before; else, remember it."""
        doc_id = prepared.doc_id
        if self._config.exact_duplicates.enabled and not self._seen.add(doc_id):
            return Rejection("exact_duplicate", duplicate_of=doc_id.hex(), similarity=1.0)
        return None

    def _repeated(
        self, prepared: Prepared, document: RawDocument, source: SourceConfig
    ) -> Rejection | None:
        """Remove lines that stand in many documents; return why the rest is dropped, if it is."""
        if prepared.parts is None:
            return None
        text, removed = self._repeated_lines.remove(prepared.text, prepared.parts)
        # Those of near duplicates count, too: what makes two documents alike may be such lines.
        self._repeated_lines.add(prepared.parts)
        if not removed:
            return None
        for key, line in removed:
            if len(self._line_examples) < _LINE_EXAMPLES and key not in self._line_examples:
                self._line_examples.add(key)
                self._put_aside(document, source, line, Rejection("repeated_line", "an example"))
        self._preparer.change(prepared, text)
        if prepared.drop:
            left = f"{len(removed)} lines removed, {prepared.drop.detail} are left"
            return Rejection("repeated_lines", left)
        prepared.changes["dropped_repeated_lines"] = len(removed)
        return self._exact_duplicate(prepared)

    def _near_duplicate(self, prepared: Prepared) -> Rejection | None:
        """Return why a document is a near duplicate of one kept before; else, remember it."""
        if prepared.sketch is not None:
            found = self._near_duplicates.find(prepared.sketch)
            if found is not None:
                kept, similarity = found
                detail = f"similarity {similarity:.2f}"
                return Rejection("near_duplicate", detail, kept.hex(), similarity)
            self._near_duplicates.add(prepared.doc_id, prepared.sketch)
        return None

    def _put_aside(
        self, item: RawDocument | BadRecord, source: SourceConfig, text: str, drop: Rejection
    ) -> None:
        """Keep what was dropped; its text is free of personal data, as all that is kept."""
        file = replace_surrogates(os.path.basename(item.file))
        text = text[:_REJECTED_CHARS]
        self._rejected.add((text, source.name, file, item.line, *drop), len(text))


def _size(item: RawDocument | BadRecord) -> int:
    return len(item.text) if isinstance(item, RawDocument) else len(item.raw)


def _check_splits(config: CorpusConfig, counts: Mapping[str, int]) -> None:
    kept = counts["documents_kept"]
    reasons = {
        name.removeprefix("rejected_").replace("_", " "): count
        for name, count in sorted(counts.items())
        if name.startswith("rejected_") and count
    }
    rejected = listed(f"{count:,} as {reason}" for reason, count in reasons.items()) or "none"
    if not kept:
        places = listed(source.path or source.hub for source in config.sources)
        raise InputError(
            f"the corpus is empty: of {counts['documents_read']} documents read none was kept; "
            f"rejected {rejected}. Check the filters of corpus (min_chars is "
            f"{config.min_chars}) and the sources: {places}."
        )
    for split, change in (("train", "lower"), ("validation", "raise")):
        if not counts[f"documents_{split}"]:
            raise InputError(
                f"no {split} document: all {kept} that were kept fell into the other split at "
                f"corpus.validation_share={config.validation_share} (of "
                f"{counts['documents_read']:,} read, rejected were {rejected}). Add documents, "
                "divide files further (documents: paragraph), or "
                f"{change} corpus.validation_share."
            )
