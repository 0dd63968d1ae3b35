"""Labelled data as records, wherever a task has them."""

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
        places: a file, two files that belong together line by line, or the split's name on the hub.
        columns: the needed columns, each with the setting that names it (for messages).
        hub: the hub data set, if it is one.
        subset: its configuration.
        revision: its commit; None means the newest.
        encoding: of the files; auto detects that of each.

    Raises:
        InputError: a file, data set, split or column is missing, or a file is broken.
        RunError: the hub cannot be reached.
    """
    if hub is not None:
        (split,) = places
        return read_hub(hub, subset, split, revision, columns)
    files = [Path(place) for place in places]
    if len(files) > 1:
        return read_aligned(files, columns, encoding)
    return read_records(files[0], columns, decoding=Decoding(encoding))
