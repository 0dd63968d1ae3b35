"""The step `clean`: sources in, a corpus of Parquet shards out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from textmill.config import CleanConfig, CorpusConfig, SourceConfig
from textmill.corpus.batching import batches
from textmill.corpus.cleaning.dedup.in_sequence import InSequence
from textmill.corpus.cleaning.filters.chain import filters_of
from textmill.corpus.cleaning.prepare import Preparer
from textmill.corpus.cleaning.receipts import write_receipts
from textmill.corpus.cleaning.summary import SPLITS, Counts, Summary
from textmill.corpus.cleaning.workers.cache import PreparedCache
from textmill.corpus.cleaning.workers.pool import Pool
from textmill.corpus.cleaning.write import CorpusWriter, redact_unread
from textmill.corpus.reading.records import BadRecord
from textmill.corpus.reading.sources import RawDocument, read_documents
from textmill.corpus.task_texts import TRAIN, read_task_texts, source_of, task_names
from textmill.errors import InputError, listed
from textmill.files import CachePlace, write_json
from textmill.hardware import n_threads
from textmill.safety.redaction import check_regions
from textmill.stage_times import StageTimer

_CHUNK_CHARS = 1 << 19  # of documents that one worker prepares together
_CHUNK_DOCUMENTS = 512


def clean(
    config: CleanConfig, inputs: Mapping[str, Path], out: Path, cache: CachePlace | None = None
) -> None:
    """Write the cleaned corpus: train and validation shards, rejected documents, and metrics.

    Args:
        config: the sources and the settings of cleaning.
        inputs: `task_texts`, if texts of tasks are included or decontaminated from.
        out: an empty folder.
        cache: cache of documents prepared by the same code and configuration.

    Raises:
        InputError: a source cannot be read or has too many bad records, a split is empty, or a
            region of redaction is unknown.
        RunError: the hub cannot be reached.
    """
    check_regions(config.redaction)
    task_texts = inputs.get("task_texts")
    if task_texts is not None:
        config = config.model_copy(update={"task_texts_folder": str(task_texts)})
    summary = Summary.begin(config, filters_of(config))
    with ExitStack() as stack:
        writer = stack.enter_context(CorpusWriter(config, out))
        in_sequence = stack.enter_context(InSequence(config, out))
        known = stack.enter_context(PreparedCache(cache))
        pool = stack.enter_context(Pool(Preparer(config), n_threads(), known))
        stages = _Stages(config, pool, in_sequence, writer)
        for source in config.sources:
            summary.add(source.name, stages.clean_source(source))
        # Last, so that a document that is also in a source is counted as the source's.
        if task_texts is not None:
            for task in task_names(task_texts, TRAIN):
                counts = Counts()
                stages.clean(source_of(task), read_task_texts(task_texts, TRAIN, task), counts)
                summary.add(source_of(task), counts)
    _check_splits(config, summary.total)
    write_json(out / "metrics.json", summary.metrics() | write_receipts(out, SPLITS))


@dataclass
class _Stages:
    """The stages of cleaning: read, prepare, decide, write."""

    config: CleanConfig
    pool: Pool
    in_sequence: InSequence
    writer: CorpusWriter
    timer: StageTimer = field(default_factory=StageTimer)

    def clean_source(self, source: SourceConfig) -> Counts:
        """Clean all documents of a configured source; return its counts.

        Raises:
            InputError: the source cannot be read, is empty, or has too many bad records.
        """
        counts = Counts()
        first_bad = self.clean(source.name, read_documents(source, counts.encodings), counts)
        _check_source(source, self.config, counts, first_bad)
        return counts

    def clean(
        self, source: str, documents: Iterable[RawDocument | BadRecord], counts: Counts
    ) -> BadRecord | None:
        """Clean documents of a source, and add them to its counts; return the first bad record."""
        first_bad: BadRecord | None = None
        chunks = batches(documents, _size, _CHUNK_CHARS, _CHUNK_DOCUMENTS)
        for chunk, prepared in self.pool.prepare(self.timer.timed("reading", chunks)):
            self.timer.start()
            decisions = [self.in_sequence.decide(document) for document in prepared]
            self.timer.end("duplicates")
            self.writer.write(source, chunk, decisions, counts)
            self.timer.end("writing")
            self.timer.stop(sum(one.bytes_read for one in prepared), ahead="reading")
            counts.documents_read += len(chunk)
            bad = (item for item in chunk if isinstance(item, BadRecord))
            first_bad = first_bad or next(bad, None)
        return first_bad


def _size(item: RawDocument | BadRecord) -> int:
    return len(item.text) if isinstance(item, RawDocument) else len(item.raw)


def _check_source(
    source: SourceConfig, config: CorpusConfig, counts: Counts, first_bad: BadRecord | None
) -> None:
    """Raise InputError if a source has no documents, or too many unreadable records."""
    read = counts.documents_read
    if not read:
        raise InputError(
            f"source {source.name!r}: {source.path or source.hub} has no documents: fix it, or "
            "remove the source."
        )
    if first_bad is None:
        return
    bad = counts.rejected["bad_record"]
    if bad > config.max_bad_share * read:
        raise InputError(
            f"source {source.name!r}: {bad} of {read} records ({bad / read:.1%}) cannot be "
            f"read, more than corpus.max_bad_share={config.max_bad_share} allows. "
            f"The first is {first_bad.file}:{first_bad.line}: "
            f"{redact_unread(first_bad.reason, config.redaction)}. "
            "Fix the source, or raise corpus.max_bad_share."
        )


def _check_splits(config: CorpusConfig, counts: Counts) -> None:
    """Raise InputError if a split is empty."""
    reasons = sorted((name, count) for name, count in counts.rejected.items() if count)
    rejected = listed(f"{count:,} as {name.replace('_', ' ')}" for name, count in reasons) or "none"
    if not counts.documents_kept:
        places = listed(source.path or source.hub for source in config.sources)
        places = places or "the training texts of the tasks"
        raise InputError(
            f"the corpus is empty: all {counts.documents_read} documents were rejected "
            f"({rejected}). Check the filters in corpus (min_chars is {config.min_chars}) and the "
            f"sources: {places}."
        )
    for split, change in (("train", "lower"), ("validation", "raise")):
        if not counts.splits[split]:
            raise InputError(
                f"the {split} split is empty: with corpus.validation_share="
                f"{config.validation_share}, all {counts.documents_kept} kept documents are in the "
                f"other split ({counts.documents_read:,} read; rejected: {rejected}). Add "
                "documents, split files into more documents (documents: paragraph), or "
                f"{change} corpus.validation_share."
            )
