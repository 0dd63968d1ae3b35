"""Reading of the labelled examples of a task of any kind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from textmill.config import TaskConfig
from textmill.corpus.reading.folders import Links
from textmill.corpus.reading.hub import digest_hub
from textmill.corpus.reading.labelled import read_labelled
from textmill.corpus.reading.records import BadRecord, Record
from textmill.errors import InputError, listed
from textmill.files import digest_file
from textmill.safety.redaction import redact
from textmill.tasks.annotation.saved_labels import SAVED_LABELS, digest_saved, read_saved
from textmill.tasks.labels import normalize_label

T = TypeVar("T")

MAX_SLICE_CHARS = 40
"""Maximum characters of the name of a slice, which is part of the names of its metrics."""

log = logging.getLogger(__name__)


class Rows(list[T]):
    """Examples of a split."""

    n_bad = 0
    """Number of invalid records."""
    normalized: Mapping[str, str] = {}
    """Labels that were changed by normalization."""
    slices: Mapping[str, Mapping[str, str]] = {}
    """Of a test split, the values of the columns in `slices`, by the location of the record."""


def read_rows(
    config: TaskConfig,
    split: str,
    columns: Mapping[str, str],
    parse: Callable[[dict[str, Any], str], T],
) -> Rows[T]:
    """Return the parsed records of a split of a task, of training with the labels saved by hand.

    Args:
        config: the task.
        split: train, validation or test.
        columns: the required columns, by setting.
        parse: returns the example of a record and its location (FILE:LINE), or raises ValueError.

    Raises:
        InputError: a file or column is missing, or too many records are invalid.
    """
    sliced = config.slices if split == "test" else ()
    settings = dict.fromkeys(sliced, f"tasks.{config.name}.slices")
    settings |= {column: f"tasks.{config.name}.{key}" for key, column in columns.items()}
    rows: Rows[T] = Rows()
    bad: list[tuple[str, str]] = []
    slices: dict[str, dict[str, str]] = {}
    encodings: set[str] = set()
    for record in _records(config, split, settings):
        place = f"{record.file}:{record.line}"
        if isinstance(record, BadRecord):
            bad.append((place, record.reason))
            if record.encoding:
                encodings.add(record.encoding)
            continue
        try:
            rows.append(parse(record.values, place))
        except ValueError as error:
            bad.append((place, str(error)))
            continue
        slices[place] = {column: _slice_name(record.values[column], config) for column in sliced}
    first = ": ".join((bad[0][0], redact(bad[0][1], config.redaction)[0])) if bad else ""
    if bad and len(bad) > config.max_bad_share * (len(bad) + len(rows)):
        setting = f"tasks.{config.name}"
        also = f", also {listed([place for place, _ in bad[1:3]])}" if len(bad) > 1 else ""
        likely = "".join(
            f"if it is in {name}, set {setting}.encoding={name}; else "
            for name in (encoding.replace("cp", "windows-") for encoding in encodings)
        )
        raise InputError(
            f"{first} ({len(bad)} of {len(bad) + len(rows)} records are invalid{also}; {likely}"
            f"fix them, or raise {setting}.max_bad_share to skip them)."
        )
    if bad:
        log.warning("%s (%d invalid records are skipped).", first, len(bad))
    rows.n_bad, rows.slices = len(bad), slices if sliced else {}
    if not rows:
        raise InputError(f"{location(config, split)} has no examples for task {config.name!r}.")
    return rows


def _records(
    config: TaskConfig, split: str, settings: Mapping[str, str]
) -> Iterator[Record | BadRecord]:
    """Return the records of a split, of training with those of the labels saved by hand."""
    for setting in config.settings_of(split):
        check_place(config, setting)
    records = read_labelled(
        [location(config, setting) for setting in config.settings_of(split)],
        settings,
        config.hub,
        config.subset,
        config.revision,
        config.encoding,
    )
    has_saved = split == "train" and config.saved_labels is not None
    return chain(records, read_saved(config, settings)) if has_saved else records


def _slice_name(value: object, config: TaskConfig) -> str:
    """Return the name of a slice: its value, on one line, without personal data."""
    text = redact(normalize_label(str(value)), config.redaction)[0]
    return text[:MAX_SLICE_CHARS] if text and value is not None else "none"


def location(config: TaskConfig, setting: str) -> str:
    """Return the file in a setting, or the name of a split on the Hugging Face Hub."""
    value = getattr(config, setting)
    assert isinstance(value, str)
    return value


def check_place(config: TaskConfig, setting: str) -> None:
    """Raise InputError if the file in a setting must not be read.

    Raises:
        InputError: it is a forbidden symbolic link out of its folder, a named pipe or a device.
    """
    if not config.hub:
        links = Links(config.follow_links, f"tasks.{config.name}.follow_links")
        links.checked_file(Path(location(config, setting)))


def digest_split(config: TaskConfig, setting: str) -> str:
    """Return the digest of the file in a setting, or of a split on the Hugging Face Hub.

    The file of labels that were saved by hand need not exist.

    Raises:
        InputError: the file does not exist.
        RunError: the Hub cannot be reached.
    """
    if setting == SAVED_LABELS:
        return digest_saved(config)
    place = location(config, setting)
    if config.hub:
        return digest_hub(config.hub, config.subset, config.revision, place)
    check_place(config, setting)
    if Path(place).is_dir():
        raise InputError(
            f"tasks.{config.name}.{setting}: {place} is a folder: set a file, or set hub to the "
            "folder of a dataset and this to a split."
        )
    if not Path(place).is_file():
        raise InputError(f"tasks.{config.name}.{setting}: the file {place} does not exist.")
    return digest_file(Path(place))
