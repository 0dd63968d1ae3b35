"""Checks of installation, data and store: `textmill doctor`."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import TextIO

from textmill import hardware
from textmill.config import Config, SourceConfig, TaskConfig
from textmill.errors import InputError, RunError
from textmill.locations import BEHAVIOUR, BIAS, SAMPLE, find_test_file
from textmill.secrets import redact
from textmill.tracking.store import Store

PACKAGES = ("torch", "lightning", "prefect", "mlflow", "datasets", "evaluate", "scikit-learn")
LITTLE_DISK_GIB = 2
OK, NOTE, FAIL = "ok", "note", "FAIL"
"""How good a finding is: a note is to be thought about, and stops nothing."""
LOOKED_AT = 100
"""Number of documents of a source that are checked; at least one must be readable."""


def check(config: Config, output: TextIO) -> bool:
    """Write the findings, line by line; return whether nothing would fail."""
    all_good = True
    for state, what in _findings(config):
        all_good &= state != FAIL
        output.write(f"{state:4}  {what}\n")
    return all_good


def _findings(config: Config) -> Iterator[tuple[str, str]]:
    """Yield each finding: how good it is, and a description with the fix."""
    for name, value in hardware.describe().items():
        yield OK, f"{name}: {value}"
    for package in PACKAGES:
        try:
            yield OK, f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            yield FAIL, f"{package} is not installed: pip install -c constraints.txt {package}"
    fastapi = importlib.metadata.version("fastapi")
    works = tuple(map(int, fastapi.split(".")[:2])) < (0, 151)
    fix = "" if works else ": Prefect 3.8 needs fastapi<0.151"
    yield _state(works), f"fastapi {fastapi}{fix}"
    device = config.pretrain.accelerator
    is_there = device != "cuda" or hardware.best_accelerator() == "cuda"
    fix = "" if is_there else ": torch finds no CUDA GPU here, set pretrain.accelerator=cpu"
    yield _state(is_there), f"pretraining on {device} in {config.pretrain.precision}{fix}"
    yield from _store(config)
    for source in config.corpus.sources:
        yield _try(f"source {source.name}", partial(_first_document, source))
    for task in config.tasks:
        yield from _task(task, config.model.block_size)
        if task.behaviour is not None:
            yield _try(f"behaviour tests of {task.name}", partial(_behaviour_tests, task.behaviour))
        if task.bias is not None:
            yield _try(f"bias report of {task.name}", partial(_bias_report, task.bias))


def _state(is_good: bool) -> str:
    return OK if is_good else FAIL


def _first_document(source: SourceConfig) -> str:
    if source.path is not None and source.path.startswith(SAMPLE):
        return "generated"
    from textmill.corpus.reading.records import BadRecord
    from textmill.corpus.reading.sources import read_documents

    found = list(islice(read_documents(source), LOOKED_AT))
    if not found:
        raise InputError("it has no documents: check its path.")
    bad = [document for document in found if isinstance(document, BadRecord)]
    if len(bad) == len(found):
        raise InputError(
            f"none of the first documents can be read: {bad[0].file}:{bad[0].line}: "
            f"{bad[0].reason}. Fix the file, or set the source's encoding."
        )
    return "readable"


def _task(task: TaskConfig, block_size: int | None) -> Iterator[tuple[str, str]]:
    """Yield the numbers of a task's examples, and what the checks before every training find.

    Args:
        task: the task.
        block_size: the context of the model, if it is known.
    """
    what = f"task {task.name}"
    places = (task.train, task.validation, task.test)
    if any(place and place.startswith(SAMPLE) for place in places):
        yield OK, f"{what}: generated"
        return
    from textmill.tasks.checks.data_checks import check_data, length_note
    from textmill.tasks.folds.division import divide
    from textmill.tasks.kinds import examples_of
    from textmill.tasks.shown import page_of

    kind = examples_of(task.kind)
    try:
        checked = check_data(task)
        if task.finetune.folds is not None:
            divide(task, kind, checked.train)
    except (InputError, RunError) as error:
        yield FAIL, f"{what}: {error}"
        return
    splits = {"train": checked.train, "validation": checked.validation, "test": checked.test}
    counts = [f"{name} {len(rows):,}" for name, rows in splits.items() if rows is not None]
    yield OK, f"{what}: {', '.join(counts)} examples"
    notes = [*checked.notes]
    if block_size is not None:
        long = length_note(kind, checked.train, block_size, page_of(task.kind).LONG_TEXTS)
        notes += [long] if long else []
    yield from ((NOTE, f"{what}: {note}") for note in notes)


def _behaviour_tests(setting: str) -> str:
    from textmill.tasks.behaviour.suite import read_suite

    return f"{len(read_suite(find_test_file(BEHAVIOUR, setting)).tests)} tests"


def _bias_report(setting: str) -> str:
    from textmill.tasks.behaviour.attributes import read_inventory

    found = read_inventory(find_test_file(BIAS, setting)).attributes
    return ", ".join(f"{one.name} ({', '.join(one.groups)})" for one in found)


def _store(config: Config) -> Iterator[tuple[str, str]]:
    try:
        store = Store(config.tracking)
    except RunError as error:
        yield FAIL, str(error)
        return
    if store.read_only is not None:
        yield (
            FAIL,
            (
                f"tracking store {store.home} is read-only ({store.read_only}): set tracking.home "
                "to a writable folder to run anything"
            ),
        )
        return
    yield OK, f"tracking store {redact(store.uri)}"
    free_gib = shutil.disk_usage(store.home).free / 2**30
    yield _state(free_gib > LITTLE_DISK_GIB), f"{free_gib:.1f} GiB free in {store.home}"


def _try(what: str, look: Callable[[], str]) -> tuple[str, str]:
    try:
        return OK, f"{what}: {look()}"
    except (InputError, RunError) as error:
        return FAIL, f"{what}: {error}"
