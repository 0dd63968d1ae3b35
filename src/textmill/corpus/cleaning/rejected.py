"""Reading back what the clean step rejected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from textmill.corpus.cleaning.filters import FILTERS

MAX_ROWS = 50_000
"""Rows looked through for examples; a reason that comes up later only is not shown."""
BATCH_ROWS = 1000


def in_order(reasons: Iterable[str]) -> list[str]:
    """Return reasons in the order of `FILTERS`, any others at the end."""
    places = {reason: place for place, reason in enumerate(f.name for f in FILTERS)}
    return sorted(reasons, key=lambda reason: (places.get(reason, len(places)), reason))


def rejected_examples(corpus: Path, most: int) -> dict[str, list[dict[str, Any]]]:
    """Return dropped documents by reason, as rows of the clean step's `rejected/`.

    Args:
        corpus: a folder of the clean step.
        most: documents for each reason, taken from as many sources as there are.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in islice(_rows(corpus / "rejected"), MAX_ROWS):
        of_source = found[row["reason"]][row["source"]]
        if len(of_source) < most:
            of_source.append(row)
    return {
        reason: [row for turn in zip_longest(*sources.values()) for row in turn if row][:most]
        for reason, sources in sorted(found.items())
    }


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    for shard in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                yield from map(_with_typed_details, batch.to_pylist())


def _with_typed_details(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with all columns: until 2026-11 the id of a duplicate began its detail."""
    if "duplicate_of" in row:
        return row
    known, _, similarity = row.get("detail", "").partition(", ")
    if row["reason"] == "exact_duplicate":
        return row | {"detail": "", "duplicate_of": known, "similarity": 1.0}
    if row["reason"] == "near_duplicate":
        value = float(similarity.removeprefix("similarity "))
        return row | {"detail": similarity, "duplicate_of": known, "similarity": value}
    return row | {"duplicate_of": None, "similarity": None}
