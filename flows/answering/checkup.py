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
from textmill.locations import SAMPLE
from textmill.secrets import redact
from textmill.tracking.store import Store

PACKAGES = ("torch", "lightning", "prefect", "mlflow", "datasets", "evaluate", "scikit-learn")
LITTLE_DISK_GIB = 2
LOOKED_AT = 100
"""Number of documents of a source that are checked; at least one must be readable."""


def check(config: Config, output: TextIO) -> bool:
    """Write the findings, line by line; return whether all are good."""
    all_good = True
    for is_good, what in _findings(config):
        all_good &= is_good
        output.write(f"{'ok  ' if is_good else 'FAIL'}  {what}\n")
    return all_good


def _findings(config: Config) -> Iterator[tuple[bool, str]]:
    """Yield each finding: whether it is good, and a description with the fix."""
    for name, value in hardware.describe().items():
        yield True, f"{name}: {value}"
    for package in PACKAGES:
        try:
            yield True, f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            yield False, f"{package} is not installed: pip install -c constraints.txt {package}"
    fastapi = importlib.metadata.version("fastapi")
    works = tuple(map(int, fastapi.split(".")[:2])) < (0, 151)
    fix = "" if works else ": Prefect 3.8 needs fastapi<0.151"
    yield works, f"fastapi {fastapi}{fix}"
    device = config.pretrain.accelerator
    is_there = device != "cuda" or hardware.best_accelerator() == "cuda"
    fix = "" if is_there else ": torch finds no CUDA GPU here, set pretrain.accelerator=cpu"
    yield is_there, f"pretraining on {device} in {config.pretrain.precision}{fix}"
    yield from _store(config)
    for source in config.corpus.sources:
        yield _try(f"source {source.name}", partial(_first_document, source))
    for task in config.tasks:
        yield _try(f"task {task.name}", partial(_examples, task))


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


def _examples(task: TaskConfig) -> str:
    places = {name: getattr(task, name) for name in ("train", "validation", "test")}
    own = [name for name, place in places.items() if place and not place.startswith(SAMPLE)]
    if not own:
        return "generated"
    from textmill.tasks.kinds import examples_of

    kind = examples_of(task.kind)
    examples = {name: kind.read_examples(task, name) for name in own}
    if "train" in examples:
        spec = kind.make_spec(task, examples["train"])
        for rows in examples.values():
            kind.check_examples(task, spec, rows)
    counts = [f"{name} {len(rows):,}" for name, rows in examples.items()]
    return f"{', '.join(counts)} examples"


def _store(config: Config) -> Iterator[tuple[bool, str]]:
    try:
        store = Store(config.tracking)
    except RunError as error:
        yield False, str(error)
        return
    if store.read_only is not None:
        yield (
            False,
            (
                f"tracking store {store.home} is read-only ({store.read_only}): set tracking.home "
                "to a writable folder to run anything"
            ),
        )
        return
    yield True, f"tracking store {redact(store.uri)}"
    free_gib = shutil.disk_usage(store.home).free / 2**30
    yield free_gib > LITTLE_DISK_GIB, f"{free_gib:.1f} GiB free in {store.home}"


def _try(what: str, look: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, f"{what}: {look()}"
    except (InputError, RunError) as error:
        return False, f"{what}: {error}"
