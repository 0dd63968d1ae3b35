"""A folder that appears whole or not at all, with a record of what is in it."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
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

    What a killed export has left is removed.

    Args:
        target: a new or empty folder, or a symbolic link to one.

    Raises:
        InputError: the target exists and is not empty, cannot be written, or is being written by
            another process.
        RunError: the disk is full.
    """
    with _writing(target):
        target = target.resolve()
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"{target} exists: remove it, or set another folder by --out.")
        staging = target.with_name(f".{target.name}.partial")
        staging.mkdir(parents=True, exist_ok=True)
        lock = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _writing(target):
            _claim(staging, lock, target)
        is_moved = False
        try:
            yield staging
            with _writing(target):
                sync_folder(staging)
                staging.rename(target)
            is_moved = True
        except OSError as error:
            if not is_disk_full(error):
                raise
            raise _disk_full(target) from None
        finally:
            if not is_moved:  # else it may be that of the next export
                shutil.rmtree(staging, ignore_errors=True)
    finally:
        os.close(lock)


def _claim(staging: Path, lock: int, target: Path) -> None:
    """Lock a folder by its descriptor, and empty it.

    Raises:
        InputError: another process has the lock.
        OSError: it cannot be emptied.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another process may have finished with it after it was opened.
        is_same = staging.exists() and os.path.samestat(staging.stat(), os.fstat(lock))
    except BlockingIOError:
        is_same = False
    if not is_same:
        raise InputError(
            f"{target} is being written by another export: wait for it, or set another folder by "
            "--out."
        )
    for part in staging.iterdir():
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
        else:
            part.unlink()


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn errors of files into messages that name the target."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # the latter is that of links in a circle
        if is_disk_full(error):
            raise _disk_full(target) from None
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{target} cannot be written ({reason}): set another folder by --out."
        ) from None


def _disk_full(target: Path) -> RunError:
    return RunError(
        f"The disk of {target} is full, nothing was written: free space, or set another folder by "
        "--out."
    )


def write_record(folder: Path, origin: Mapping[str, Any], packages: tuple[str, ...]) -> None:
    """Write the record of an exported folder, as its last file.

    Args:
        folder: the exported files.
        origin: of the model, and what was measured.
        packages: that wrote the files.
    """
    versions = {name: importlib.metadata.version(name) for name in ("textmill", *packages)}
    write_json(folder / RECORD, {**origin, "packages": versions, "files": digest_folder(folder)})
