"""Search for documents in the inputs of finished steps, by id or text.

The readers of a corpus are imported where they are used, because most lineages do not need them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from textmill.config import AUTO
from textmill.errors import InputError, RunError
from textmill.files import digest_file, lines_of_digest
from textmill.steps.graph import CLEAN, TASK_TEXTS
from textmill.steps.raw_sources import is_in_corpus
from textmill.tasks.annotation.saved_labels import NO_LABELS
from textmill.tracking.artifacts import output_file, read_manifest
from textmill.tracking.store import MAX_RUNS, Store, StoreError
from textmill.tracking.tags import DIGEST_TAG, PLACES_TAG, STEP_TAG


@dataclass
class FoundDocuments:
    """Results of a search for documents."""

    runs: dict[str, Run] = field(default_factory=dict)
    """Runs of the steps that read matching documents, by id."""
    documents: dict[str, list[str]] = field(default_factory=dict)
    """Matching documents by run id: ids of a corpus's documents, file and line of others."""
    unsearched: dict[str, None] = field(default_factory=dict)
    """Data that is missing or has changed, and could not be searched; in order."""

    def add(self, run: Run, documents: list[str]) -> None:
        """Add the matching documents that a step has read, if any."""
        if documents:
            self.runs[run.info.run_id] = run
            self.documents[run.info.run_id] = list(dict.fromkeys(documents))


def find_documents(store: Store, words: str, is_id: bool) -> FoundDocuments:
    """Search every corpus, and the labelled files that have not changed.

    Args:
        store: the store of the finished steps.
        words: the id of a document in a corpus; or text in it, after cleaning.
        is_id: whether it is an id.

    Raises:
        StoreError: the store failed.
    """
    found = FoundDocuments()
    _search_corpora(store, words, is_id, found)
    if not is_id:
        _search_files(store, words, found)
    return found


def _search_corpora(store: Store, words: str, is_id: bool, found: FoundDocuments) -> None:
    searched: dict[str, list[str]] = {}
    condition = f"attributes.status='FINISHED' and tags.`textmill.step`='{CLEAN.name}'"
    for run in store.search(condition, MAX_RUNS):
        digest = run.data.tags[DIGEST_TAG]
        try:
            if digest not in searched:
                searched[digest] = list(_in_corpus(store, run, words, is_id))
        except StoreError:
            raise
        except RunError as error:
            found.unsearched[str(error)] = None
            continue
        found.add(run, searched[digest])


def _in_corpus(store: Store, run: Run, words: str, is_id: bool) -> Iterator[str]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from textmill.corpus.cleaning.summary import SPLITS

    files = read_manifest(store, run)["files"]
    for name in sorted(files):
        if not name.startswith(tuple(f"{split}/" for split in SPLITS)):
            continue
        with pq.ParquetFile(output_file(store, run, name)) as shard:
            for batch in shard.iter_batches(columns=["doc_id"] if is_id else ["doc_id", "text"]):
                ids = batch["doc_id"]
                # By name, because pyarrow creates its functions on import.
                if is_id:
                    holds = pc.call_function("equal", [ids, words])
                else:
                    options = pc.MatchSubstringOptions(words)
                    holds = pc.call_function("match_substring", [batch["text"]], options)
                yield from ids.filter(holds).to_pylist()


def _search_files(store: Store, words: str, found: FoundDocuments) -> None:
    searched: dict[tuple[str, str, str], list[str]] = {}
    condition = (
        f"attributes.status='FINISHED' and tags.`textmill.step` != '{CLEAN.name}' "
        f"and tags.`{PLACES_TAG}` LIKE '_%'"
    )
    for run in store.search(condition, MAX_RUNS):
        try:
            sources = read_manifest(store, run)["sources"]
        except StoreError:
            raise
        except RunError as error:
            found.unsearched[str(error)] = None
            continue
        lines = []
        is_corpus = run.data.tags[STEP_TAG] == TASK_TEXTS.name
        for source in sources.values():
            is_left_out = is_corpus and not is_in_corpus(source)
            if is_left_out or source["digest"] == NO_LABELS:
                continue
            place = store.current_path(source["place"])
            key = (place, source["digest"], run.data.params.get("encoding", AUTO))
            try:
                if key not in searched:
                    searched[key] = list(_in_file(*key, words))
            except InputError as error:
                found.unsearched[str(error)] = None
                continue
            lines += searched[key]
        found.add(run, lines)


def _in_file(place: str, digest: str, encoding: str, words: str) -> Iterator[str]:
    """Yield file and line of the records that contain the text in any column.

    Raises:
        InputError: the file is missing, or has changed since it was read.
    """
    from textmill.corpus.reading.decoding import Decoding
    from textmill.corpus.reading.lines import read_lines
    from textmill.corpus.reading.records import RECORD_SUFFIXES, Record, read_records

    file = Path(place)
    if not file.is_file():
        raise InputError(f"{place} is missing.")
    n_read: float = math.inf
    if digest_file(file) != digest:
        n_lines = lines_of_digest(file, digest)  # people may have saved more labels
        if n_lines is None:
            raise InputError(f"{place} has changed since it was read.")
        n_read = n_lines
    if not file.name.lower().endswith(RECORD_SUFFIXES):  # plain text, line by line
        for number, line, _ in read_lines(file, decoding=Decoding(encoding)):
            if number <= n_read and words in line.decode(errors="replace"):
                yield f"{file}:{number}"
        return
    for record in read_records(file, decoding=Decoding(encoding)):
        values = record.values.values() if isinstance(record, Record) else [record.raw]
        if record.line <= n_read and any(_holds(value, words) for value in values):
            yield f"{file}:{record.line}"


def _holds(value: Any, words: str) -> bool:
    if isinstance(value, str):
        return words in value
    if isinstance(value, dict):  # a nested column
        return any(_holds(item, words) for item in value.values())
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        # The words of a text; in Chinese, without spaces.
        return words in " ".join(value) or words in "".join(value)
    return False
