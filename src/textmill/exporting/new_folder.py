"""A folder that appears whole or not at all, with a record of what is in it."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textmill.errors import InputError, RunError
from textmill.files import digest_folder, is_disk_full, sync_folder, write_json

RECORD = "textmill.json"
"""The file with the model's origin, what was measured, and the digests of all other files."""


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside the target, which becomes the target if no error is raised.

    One that a killed export has left is removed.

    Raises:
        InputError: the target exists and is not empty, or cannot be written.
        RunError: the disk is full.
    """
    target = target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} exists: remove it, or set another folder by --out.")
    staging = target.with_name(f".{target.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror}): set another folder by --out."
        ) from None
    try:
        yield staging
        sync_folder(staging)
        staging.rename(target)
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise RunError(
            f"The disk of {target} is full, nothing was written: free space, or set another folder "
            "by --out."
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_record(folder: Path, origin: Mapping[str, Any], packages: tuple[str, ...]) -> None:
    """Write the record of an exported folder, as its last file.

    Args:
        folder: the exported files.
        origin: of the model, and what was measured.
        packages: that wrote the files.
    """
    versions = {name: importlib.metadata.version(name) for name in ("textmill", *packages)}
    write_json(folder / RECORD, {**origin, "packages": versions, "files": digest_folder(folder)})
