"""The step `clean`: sources in, a corpus of Parquet shards out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.config import CorpusConfig, SourceConfig
from textmill.corpus.cleaning import cleaning_steps, replace_surrogates
from textmill.corpus.reading import RawDocument, read_documents
from textmill.corpus.records import BadRecord
from textmill.errors import InputError
from textmill.files import write_json
from textmill.safety.redaction import PLACEHOLDERS, check_regions, redact

SPLITS = ("train", "validation")

_DOCUMENT = pa.schema([(name, pa.string()) for name in ("text", "source", "language", "doc_id")])
_REJECTED = pa.schema(
    [
        ("text", pa.string()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
_SHARD_BYTES = 64 << 20
_ROW_GROUP_BYTES = 4 << 20
_ROW_GROUP_ROWS = 10_000
_REJECTED_CHARS = 2000
_ID_BYTES = 16
_COUNTS = (
    "documents_read",
    "documents_kept",
    *(f"documents_{split}" for split in SPLITS),
    "bytes_read",
    "bytes_kept",
    "rejected_bad_record",
    "rejected_too_short",
    "rejected_exact_duplicate",
    "repaired_unicode",
    "stripped_html",
    *(f"redacted_{kind}" for kind in PLACEHOLDERS),
)


def clean(config: CorpusConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the cleaned corpus: shards of train and validation, what was rejected, and metrics.

    The documents read are those kept and those rejected for one of three reasons. Changes and
    replacements are counted in the documents kept. Every count stands there for the whole corpus,
    and for each source as `<count>/<source>`.

    Args:
        config: The sources and how to clean them.
        inputs: Nothing; a corpus begins with files that no step has made.
        out: An empty folder.

    Raises:
        InputError: A source cannot be read, too much of it is broken, a split is left empty, or
            a region of redaction is not known.
        RunError: The hub cannot be reached.
    """
    check_regions(config.redaction)
    with ExitStack() as stack:
        shards = {split: stack.enter_context(_Shards(out / split, _DOCUMENT)) for split in SPLITS}
        rejected = stack.enter_context(_Shards(out / "rejected", _REJECTED))
        cleaner = _Cleaner(config, shards, rejected)
        for source in config.sources:
            cleaner.read(source)
    _check_splits(config, cleaner.counts)
    metrics = {name: cleaner.counts[name] for name in _COUNTS}
    for source_name, counts in cleaner.counts_of_sources.items():
        metrics |= {f"{name}/{source_name}": counts[name] for name in _COUNTS}
    write_json(out / "metrics.json", metrics)


def document_id(text: str) -> str:
    """Return the id of a document: a 128-bit hash of its final text, in hexadecimal."""
    return _hash(text.encode()).hex()


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_ID_BYTES).digest()


def split_of(doc_id: str, validation_share: float) -> str:
    """Return the split of a document; it stays the same whatever else is in the corpus."""
    return "validation" if int(doc_id[:16], 16) / 2**64 < validation_share else "train"


class _Cleaner:
    """Sorts the documents of all sources into shards, and counts."""

    def __init__(
        self, config: CorpusConfig, shards: Mapping[str, _Shards], rejected: _Shards
    ) -> None:
        self._config = config
        self._steps = cleaning_steps(config)
        self._shards = shards
        self._rejected = rejected
        self._seen: set[bytes] = set()
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
        for item in read_documents(source):
            read += 1
            if isinstance(item, BadRecord):
                bad += 1
                first_bad = first_bad or item
                self._reject(item, source, item.raw, "bad_record", item.reason)
            else:
                self._take(item, source)
        self.counts["documents_read"] += read
        self.counts_of_sources[source.name] = self.counts - before
        if first_bad and bad > self._config.max_bad_share * read:
            raise InputError(
                f"source {source.name!r}: {bad} of {read} records ({bad / read:.1%}) cannot be "
                f"read, more than corpus.max_bad_share={self._config.max_bad_share} allows. "
                f"The first is {first_bad.file}:{first_bad.line}: {first_bad.reason}. "
                "Mend the source, or raise corpus.max_bad_share."
            )

    def _take(self, document: RawDocument, source: SourceConfig) -> None:
        self.counts["bytes_read"] += len(document.text.encode(errors="surrogatepass"))
        text, changes = self._final_text(document.text)
        if len(text) < self._config.min_chars:
            self._reject(document, source, text, "too_short", f"{len(text)} characters")
            return
        content = text.encode()
        digest = _hash(content)
        if self._config.exact_duplicates.enabled:
            if digest in self._seen:
                self._reject(document, source, text, "exact_duplicate", digest.hex())
                return
            self._seen.add(digest)
        split = split_of(digest.hex(), self._config.validation_share)
        self._shards[split].add((text, source.name, source.language, digest.hex()), len(content))
        self.counts.update(changes)
        self.counts["documents_kept"] += 1
        self.counts[f"documents_{split}"] += 1
        self.counts["bytes_kept"] += len(content)

    def _final_text(self, text: str) -> tuple[str, dict[str, int]]:
        """Return the text cleaned and redacted, and the count of each kind of change."""
        changes: dict[str, int] = {}
        for name, change in self._steps.items():
            changed = change(text)
            changes[name] = int(changed != text)
            text = changed
        text, replaced = redact(text, self._config.redaction)
        return text, changes | {f"redacted_{kind}": count for kind, count in replaced.items()}

    def _reject(
        self,
        item: RawDocument | BadRecord,
        source: SourceConfig,
        text: str,
        reason: str,
        detail: str,
    ) -> None:
        """Put a document aside; personal data is kept out of what was rejected as well."""
        text = redact(replace_surrogates(text), self._config.redaction)[0][:_REJECTED_CHARS]
        file = replace_surrogates(Path(item.file).name)
        row = (text, source.name, file, item.line, reason, replace_surrogates(detail))
        self._rejected.add(row, len(text))
        self.counts[f"rejected_{reason}"] += 1


class _Shards:
    """Numbered Parquet files of bounded size in one folder; there is always at least one."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir()
        self._folder = folder
        self._schema = schema
        self._rows: list[tuple[object, ...]] = []
        self._writer: pq.ParquetWriter | None = None
        self._n_files = self._row_bytes = self._file_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and (self._rows or not self._n_files):
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def add(self, row: tuple[object, ...], size: int) -> None:
        """Add a row whose text has this many bytes."""
        self._rows.append(row)
        self._row_bytes += size
        if self._row_bytes >= _ROW_GROUP_BYTES or len(self._rows) >= _ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            file = self._folder / f"{self._n_files:05d}.parquet"
            self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
            self._n_files += 1
        columns: list[Any] = list(zip(*self._rows, strict=True)) or [()] * len(self._schema)
        table = pa.table(dict(zip(self._schema.names, columns, strict=True)), schema=self._schema)
        self._writer.write_table(table)
        self._file_bytes += self._row_bytes
        self._rows, self._row_bytes = [], 0
        if self._file_bytes >= _SHARD_BYTES:
            self._writer.close()
            self._writer, self._file_bytes = None, 0


def _check_splits(config: CorpusConfig, counts: Mapping[str, int]) -> None:
    kept = counts["documents_kept"]
    if not kept:
        reasons = {
            "bad records": counts["rejected_bad_record"],
            f"too short (corpus.min_chars={config.min_chars})": counts["rejected_too_short"],
        }
        places = ", ".join(str(source.path or source.hub) for source in config.sources)
        listed = ", ".join(f"{count} as {reason}" for reason, count in reasons.items() if count)
        raise InputError(
            f"the corpus is empty: of {counts['documents_read']} documents read none was kept; "
            f"rejected {listed or 'none'}. Check corpus.min_chars and the sources: {places}."
        )
    for split, change in (("train", "lower"), ("validation", "raise")):
        if not counts[f"documents_{split}"]:
            raise InputError(
                f"no {split} document: all {kept} fell into the other split at "
                f"corpus.validation_share={config.validation_share}. Add documents, divide files "
                f"further (documents: paragraph), or {change} corpus.validation_share."
            )
