"""The raw data of a configuration, with the digests that enter keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from textmill.config import Config, SourceConfig, TaskConfig
from textmill.corpus.reading.folders import Links, reject_escaping_link
from textmill.corpus.reading.sources import digest_source, source_files
from textmill.errors import InputError, listed
from textmill.files import digest_file, join_digests, reject_special_file
from textmill.hub_models import local_folder
from textmill.locations import SAMPLE as SAMPLE_PREFIX
from textmill.locations import find_test_file, known_test_files
from textmill.steps.parts import (
    CorpusSource,
    Folder,
    ModelTests,
    NewText,
    Raw,
    SavedLabels,
    Split,
)
from textmill.steps.raw_sources import INIT_FROM, Source
from textmill.tasks.annotation.saved_labels import SAVED_LABELS, digest_saved, measured
from textmill.tasks.rows import digest_split, location


def find_sources(raw: Iterable[Raw]) -> tuple[Source, ...]:
    """Return raw data as sources of a step, with the current digests of their content.

    Raises:
        InputError: a file is missing.
        RunError: the Hugging Face Hub cannot be reached.
    """
    return tuple(source for one in raw for source in _find(one))


def _find(raw: Raw) -> Iterator[Source]:
    match raw:
        case CorpusSource(config):
            yield _corpus_source(config)
        case Split():
            yield from _split_sources(raw)
        case SavedLabels(task):
            yield _saved_labels_source(task)
        case ModelTests(task, setting):
            yield _tests_source(task, setting)
        case Folder():
            yield _folder_source(raw)
        case NewText(drift):
            from textmill.corpus.cleaning.new_text import (
                digest_new_text,  # slow to import
            )

            digest_now = partial(digest_new_text, drift)
            yield Source("new text", str(drift.path), digest_now(), "drift", digest_now=digest_now)


def is_generated(raw: Raw) -> bool:
    """Return whether raw data is part of the sample data (a `sample:` path)."""
    match raw:
        case CorpusSource(config):
            place = config.path
        case Split(task, name):
            place = location(task, name)
        case _:
            return False
    return place is not None and place.startswith(SAMPLE_PREFIX)


def with_sample(config: Config, folder: str) -> Config:
    """Return the configuration with `sample:` paths resolved in a folder."""

    def place(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: place(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [place(item) for item in value]
        if isinstance(value, str) and value.startswith(SAMPLE_PREFIX):
            return f"{folder}/{value.removeprefix(SAMPLE_PREFIX)}"
        return value

    # Defaults stay defaults: a sweep may change what they depend on.
    return Config.model_validate(place(config.model_dump(exclude_unset=True)))


def with_fixed_labels(config: Config) -> Config:
    """Return the configuration with the size of the labels that people have saved so far.

    A run reads these alone, so that others may be saved meanwhile. What is fixed stays as it is.

    Raises:
        InputError: a file of labels must not be read.
    """
    return config.model_copy(update={"tasks": tuple(map(_with_fixed_labels, config.tasks))})


def _with_fixed_labels(task: TaskConfig) -> TaskConfig:
    if task.labelling is None or task.labelling.n_bytes is not None:
        return task
    if str(task.saved_labels).startswith(SAMPLE_PREFIX):  # its folder is not known yet
        return task
    fixed = task.labelling.model_copy(update={"n_bytes": measured(task)})
    return task.model_copy(update={"labelling": fixed})


def _corpus_source(config: SourceConfig) -> Source:
    """Return a source of the corpus with the digests of its content and files."""
    digest_now = partial(digest_source, config)
    if config.hub is not None:
        digest = digest_source(config)
        return Source(config.name, config.hub, digest, "pretraining", digest_now=digest_now)
    files = {file: digest_file(file) for file in source_files(config)}
    return Source(
        config.name,
        str(config.path),
        join_digests(files),
        "pretraining",
        {str(file): digest for file, digest in files.items()},
        digest_now,
    )


def _split_sources(split: Split) -> Iterator[Source]:
    """Yield the labelled files of a split."""
    task = split.task
    for setting in task.settings_of(split.name):
        yield Source(
            f"{task.name}/{setting}",
            location(task, setting),
            digest_split(task, setting),
            split.name,
            digest_now=partial(digest_split, task, setting),
        )


def _saved_labels_source(task: TaskConfig) -> Source:
    """Return the labels of a task that people have saved as its source."""
    digest_now = partial(digest_saved, task)
    name = f"{task.name}/{SAVED_LABELS}"
    return Source(name, str(task.saved_labels), digest_now(), "train", digest_now=digest_now)


def _tests_source(task: TaskConfig, setting: str) -> Source:
    """Return a file of tests of a task's model as its source."""
    digest_now = partial(digest_test_file, task, setting)
    file = str(find_test_file(setting, getattr(task, setting)))
    return Source(f"{task.name}/{setting}", file, digest_now(), "test", digest_now=digest_now)


def digest_test_file(task: TaskConfig, setting: str) -> str:
    """Return the digest of a file of tests of a task's model.

    Raises:
        InputError: it does not exist, or must not be read.
    """
    file = find_test_file(setting, getattr(task, setting))
    Links(task.follow_links, f"tasks.{task.name}.follow_links").checked_file(file)
    if not file.is_file():
        raise InputError(
            f"tasks.{task.name}.{setting}: there is no file {file}: set a YAML file, or one of "
            f"{listed(known_test_files(setting))}."
        )
    return digest_file(file)


def _folder_source(folder: Folder) -> Source:
    """Return the folder of initial weights that a step reads as its source."""
    place = local_folder(folder.place, folder.files)
    files = [
        file
        for name in folder.files
        for file in (sorted(place.glob(name)) if "*" in name else [place / name])
    ]
    for file in files:
        reject_special_file(file)
        if not file.is_file():
            raise InputError(
                f"{folder.key}={place}: {file} is missing: set a folder that contains it."
            )
        reject_escaping_link(file, place)

    def digests() -> dict[Path, str]:
        return {file: digest_file(file) for file in files}

    found = digests()
    return Source(
        INIT_FROM,
        folder.place,
        join_digests(found),
        folder.key.partition(".")[0],
        {str(file): digest for file, digest in found.items()},
        lambda: join_digests(digests()),
    )
