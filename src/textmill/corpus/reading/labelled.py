"""Records of labelled data, from files or the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from textmill.config import AUTO
from textmill.corpus.reading.aligned import read_aligned
from textmill.corpus.reading.decoding import Decoding
from textmill.corpus.reading.hub import read_hub
from textmill.corpus.reading.records import BadRecord, Record, read_records


def read_labelled(
    places: Sequence[str],
    columns: Mapping[str, str],
    hub: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    encoding: str = AUTO,
) -> Iterator[Record | BadRecord]:
    """Return the records of one split of a task.

    Args:
        places: a file, two line-aligned files, or the name of a hub split.
        columns: required columns, each with the setting that names it (for messages).
        hub: the hub dataset, if it is one.
        subset: its configuration name.
        revision: its commit; None means the newest.
        encoding: encoding of the files; auto detects it per file.

    Raises:
        InputError: a file, dataset, split or column is missing, or a file is damaged.
        RunError: the hub cannot be reached.
    """
    if hub is not None:
        (split,) = places
        return read_hub(hub, subset, split, revision, columns)
    files = [Path(place) for place in places]
    if len(files) > 1:
        return read_aligned(files, columns, encoding)
    return read_records(files[0], columns, decoding=Decoding(encoding))
