"""The texts of tasks, as the step `task-texts` writes them: shards by split and task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from textmill.config import TASK_SOURCE
from textmill.corpus.reading.sources import RawDocument

TRAIN, TEST = "train", "test"
"""Folders of its output, each with a folder of shards per task."""
COLUMNS = ("text", "language")


def task_names(texts: Path, split: str) -> list[str]:
    """Return the names of the tasks with texts of a split, sorted.

    Args:
        texts: output folder of the step.
        split: `TRAIN` or `TEST`.
    """
    return sorted(folder.name for folder in (texts / split).iterdir())


def source_of(task: str) -> str:
    """Return the name of a task's texts as a source of the corpus."""
    return f"{TASK_SOURCE}{task}"


def read_task_texts(texts: Path, split: str, task: str) -> Iterator[RawDocument]:
    """Yield the texts of a split of a task in a fixed order; personal data are redacted."""
    import pyarrow.parquet as pq

    for shard in sorted((texts / split / task).glob("*.parquet")):
        row = 0
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(columns=list(COLUMNS)):
                for text, language in zip(*(c.to_pylist() for c in batch.columns), strict=True):
                    row += 1
                    place = (source_of(task), language, str(shard), row)
                    yield RawDocument(text, *place, is_redacted=True)
