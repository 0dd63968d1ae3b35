"""Reading back what the clean step put aside."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

MOST_ROWS = 100_000
"""Rows looked through for examples; a reason that comes up later only is not shown."""
BATCH_ROWS = 1000


def rejected_examples(corpus: Path, most: int) -> dict[str, list[dict[str, Any]]]:
    """Return the first dropped documents of each reason, as rows of the clean step's `rejected/`.

    Args:
        corpus: a folder of the clean step.
        most: documents for each reason.
    """
    import pyarrow.parquet as pq

    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    n_rows = 0
    for shard in sorted((corpus / "rejected").glob("*.parquet")):
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                for row in batch.to_pylist():
                    if len(found[row["reason"]]) < most:
                        found[row["reason"]].append(row)
                n_rows += len(batch)
                if n_rows >= MOST_ROWS:
                    return dict(found)
    return dict(found)
