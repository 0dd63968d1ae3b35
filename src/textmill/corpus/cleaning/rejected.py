"""Reads examples of the documents that the step `clean` rejected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from textmill.corpus.cleaning.document import Rejection

MAX_ROWS = 50_000
"""Number of rows searched for examples; a reason that occurs only later is not shown."""
BATCH_ROWS = 1000


@dataclass(frozen=True)
class Rejected:
    """A rejected document: a row of `rejected/`."""

    text: str
    """Beginning of the text."""
    source: str
    file: str
    line: int
    rejection: Rejection


def rejected_examples(corpus: Path, max_examples: int) -> dict[str, list[Rejected]]:
    """Return examples of rejected documents, by reason.

    Args:
        corpus: an output folder of the step `clean`.
        max_examples: maximum documents per reason, alternating between sources.
    """
    found: dict[str, dict[str, list[Rejected]]] = defaultdict(lambda: defaultdict(list))
    for row in islice(_rows(corpus / "rejected"), MAX_ROWS):
        of_source = found[row.rejection.reason][row.source]
        if len(of_source) < max_examples:
            of_source.append(row)
    return {
        reason: [row for turn in zip_longest(*sources.values()) for row in turn if row][
            :max_examples
        ]
        for reason, sources in sorted(found.items())
    }


def _rows(folder: Path) -> Iterator[Rejected]:
    import pyarrow.parquet as pq

    for shard in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                for row in batch.to_pylist():
                    place = (row["source"], row["file"], row["line"])
                    yield Rejected(row["text"], *place, _rejection(row))


def _rejection(row: Mapping[str, Any]) -> Rejection:
    """Return the rejection of a row, also of stores before 2026-11, which parse from `detail`."""
    reason, detail = row["reason"], row["detail"]
    if "duplicate_of" in row:
        contaminates = row.get("contaminates") or ()
        details = (row["duplicate_of"], row["similarity"], tuple(contaminates))
        return Rejection(reason, detail, *details)
    known, _, similarity = detail.partition(", ")
    if reason == "exact_duplicate":
        return Rejection(reason, "", known, 1.0)
    if reason == "near_duplicate":
        return Rejection(reason, similarity, known, float(similarity.removeprefix("similarity ")))
    if reason == "contaminated":
        tasks = detail.partition(": ")[0].split(", ")
        return Rejection(reason, detail, contaminates=tuple(tasks))
    return Rejection(reason, detail)
