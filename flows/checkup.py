"""What is installed and reachable here, and what would fail."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Iterator
from typing import TextIO

from textmill import hardware
from textmill.compose import SAMPLE, compose
from textmill.config import Config
from textmill.corpus.reading import digest_source
from textmill.errors import InputError, RunError
from textmill.tasks.examples import digest_split, settings_of
from textmill.tracking.store import Store

PACKAGES = ("torch", "lightning", "prefect", "mlflow", "datasets", "evaluate", "scikit-learn")
LITTLE_DISK_GIB = 2


def check(config_name: str, overrides: list[str], output: TextIO) -> bool:
    """Write what was found, line by line; return whether everything would work."""
    config = compose(config_name, overrides)
    all_good = True
    for is_good, what in _findings(config):
        all_good &= is_good
        output.write(f"{'ok  ' if is_good else 'FAIL'}  {what}\n")
    return all_good


def _findings(config: Config) -> Iterator[tuple[bool, str]]:
    """Yield each finding: whether it is good, and in words what it is and how to mend it."""
    for name, value in hardware.describe().items():
        yield True, f"{name}: {value}"
    for package in PACKAGES:
        try:
            yield True, f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            yield False, f"{package} is not installed: pip install -c constraints.txt {package}"
    fastapi = importlib.metadata.version("fastapi")
    works = tuple(map(int, fastapi.split(".")[:2])) < (0, 151)
    mend = "" if works else ": Prefect 3.8 needs fastapi<0.151"
    yield works, f"fastapi {fastapi}{mend}"
    yield True, f"pretraining on {config.pretrain.accelerator} in {config.pretrain.precision}"
    yield from _store(config)
    for source in config.corpus.sources:
        yield _try(f"source {source.name}", source.path, lambda s=source: digest_source(s))
    for task in config.tasks:
        for setting in (*settings_of(task, "train"), *settings_of(task, "test")):
            yield _try(
                f"task {task.name}, {setting}",
                getattr(task, setting),
                lambda t=task, s=setting: digest_split(t, s),
            )


def _store(config: Config) -> Iterator[tuple[bool, str]]:
    try:
        store = Store(config.tracking)
    except RunError as error:
        yield False, str(error)
        return
    yield True, f"tracking store {store.uri}"
    free_gib = shutil.disk_usage(store.home).free / 2**30
    yield free_gib > LITTLE_DISK_GIB, f"{free_gib:.1f} GiB free in {store.home}"


def _try(what: str, place: str | None, digest: object) -> tuple[bool, str]:
    if place is not None and place.startswith(SAMPLE):
        return True, f"{what}: generated"
    try:
        assert callable(digest)
        digest()
    except (InputError, RunError) as error:
        return False, f"{what}: {error}"
    return True, f"{what}: readable"
