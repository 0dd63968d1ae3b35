"""Files that appear whole or not at all, and digests that tell whether they still are."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"

# What safetensors, tokenizers, pyarrow and numpy say of it, which keep no error number, and SQLite.
_FULL_DISK = re.compile(
    r"no space left on device|disk quota exceeded|database or disk is full"
    r"|\d requested and \d+ written",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CachePlace:
    """Where a step finds what earlier runs have kept to save time, and puts what is new."""

    folder: Path
    """What is kept; it need not exist."""
    new: Path
    """What this run adds, to be moved there if it turns out right."""
    max_bytes: int
    """Of what is added."""


def write_json(file: Path, value: Any) -> None:
    """Write a value as indented JSON with sorted keys; the file appears whole or not at all."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_whole(file, text.encode())


def read_json(file: Path) -> Any:
    """Return the value of a JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))


def write_whole(file: Path, content: bytes) -> None:
    """Write a file beside its place, flush it to disk, and rename it into place."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def sqlite_url(file: Path, driver: str = "pysqlite") -> str:
    """Return the address of an SQLite database as SQLAlchemy reads it, whatever the path holds.

    Args:
        file: the database, by its absolute path.
        driver: pysqlite or aiosqlite.
    """
    if "?" not in str(file):
        prefix = "sqlite" if driver == "pysqlite" else f"sqlite+{driver}"
        return f"{prefix}:///{file}"
    # SQLAlchemy ends a path at its first question mark, and knows no escape for one: here SQLite
    # reads the path itself. With its driver in the name, MLflow makes no folder "file:" for it.
    return f"sqlite+{driver}:///{file.as_uri()}?uri=true"


def sync_folder(folder: Path) -> None:
    """Flush all files and folders below a folder to disk."""
    for path in [folder, *folder.rglob("*")]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether a full disk, or a full quota, is behind an error, whoever has wrapped it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if _FULL_DISK.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def full_disk_message(place: str | Path) -> str:
    """Return what to tell a user whose disk is full."""
    return (
        f"The disk that holds {place} is full: make room and run again, or set tracking.home to "
        "a folder on another disk. Finished steps are kept, and not computed again."
    )


def digest_bytes(content: bytes) -> str:
    """Return the SHA-256 of the content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_file(file: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_files(files: Iterable[Path]) -> str:
    """Return one digest for files in their order; where they lie does not matter."""
    return join_digests({file: digest_file(file) for file in files})


def join_digests(digests: Mapping[Path, str]) -> str:
    """Return one digest for files whose own digests are known, in their order."""
    return digest_values([(file.name, digest) for file, digest in digests.items()])


def digest_folder(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder by relative path, the manifest excepted."""
    return {
        file.relative_to(folder).as_posix(): digest_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != folder / MANIFEST
    }


def digest_values(value: Mapping[str, Any] | list[Any]) -> str:
    """Return a digest of plain values; the order of keys does not matter."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
