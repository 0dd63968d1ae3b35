"""The file of a task's labels that people have saved, whose rows are training examples as well.

Labels are appended while a run reads the file: the run reads the part that was there when it began.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from textmill.config import TaskConfig
from textmill.corpus.reading.decoding import Decoding
from textmill.corpus.reading.folders import Links
from textmill.corpus.reading.lines import check_file
from textmill.corpus.reading.records import (
    BadRecord,
    Record,
    read_whole_records,
    with_columns,
)
from textmill.files import digest_bytes

NO_LABELS = digest_bytes(b"")
"""The digest of a file without labels, or of none."""
SAVED_LABELS = "saved_labels"
"""The property of a task that is the file, and the last part of the name of its raw data."""

log = logging.getLogger(__name__)


def labels_file(config: TaskConfig) -> Path:
    """Return the file of a task with labelling; it need not exist.

    Raises:
        InputError: it is a forbidden symbolic link out of its folder, or no regular file.
    """
    file = Path(str(config.saved_labels))
    Links(config.follow_links, f"tasks.{config.name}.follow_links").checked_file(file)
    if file.exists():
        check_file(file)
    return file


def whole_lines(content: bytes) -> bytes:
    """Return the content without a last line that is cut, as by a crash while it was written.

    A last line without an end is whole if it is valid JSON: no beginning of an object is.
    """
    head, end, last = content.rpartition(b"\n")
    try:
        json.loads(last)
    except ValueError:
        return head + end
    return content


def measured(config: TaskConfig) -> int:
    """Return the size of the labels that are saved now, in bytes; 0 without a file.

    Raises:
        InputError: the file must not be read.
    """
    file = labels_file(config)
    content = file.read_bytes() if file.exists() else b""
    n_bytes = len(whole_lines(content))
    if n_bytes < len(content):
        log.warning(
            "%s: the last line is incomplete, and is ignored (textmill label %s removes it).",
            file,
            config.name,
        )
    return n_bytes


def digest_saved(config: TaskConfig) -> str:
    """Return the digest of the labels that a run reads; without a file, that of no labels."""
    return digest_bytes(_content(config))


def read_saved(config: TaskConfig, columns: Mapping[str, str]) -> Iterator[Record | BadRecord]:
    """Yield the records of the labels that a run reads.

    Args:
        config: the task.
        columns: required columns, each with the setting that names it (for messages).

    Raises:
        InputError: a column is missing.
    """
    content = _content(config)
    if not content:
        return
    file, decoding = labels_file(config), Decoding("utf-8")
    stream = cast(io.BufferedReader, io.BufferedReader(io.BytesIO(content)))
    records = read_whole_records(file, "jsonl", (), decoding, stream)
    yield from with_columns(records, columns, str(file))


def _content(config: TaskConfig) -> bytes:
    assert config.labelling is not None
    file, n_bytes = labels_file(config), config.labelling.n_bytes
    if not file.exists():
        return b""
    with file.open("rb") as stream:
        return whole_lines(stream.read(-1 if n_bytes is None else n_bytes))
