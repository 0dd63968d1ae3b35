"""Files that appear whole or not at all, and digests that tell whether they still are."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.errors import InputError, RunError

MANIFEST = "manifest.json"
DIGESTS = "digests.json"
"""In a folder that has to be checked without its run: the digests of its other files."""
RESTORE = "restore it from a backup, or run its pipeline again, which computes the step again."
"""What to do about a damaged file of a result."""

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
    """Return the value of a JSON file.

    Raises:
        RunError: it holds no JSON.
        OSError: it cannot be read.
    """
    return parse_json(file.read_bytes(), file)


def parse_json(content: bytes, file: Path) -> Any:
    """Return the value of the content of a JSON file.

    Raises:
        RunError: it is no JSON.
    """
    try:
        return json.loads(content.decode())
    except RecursionError:
        raise RunError(f"{file} is damaged (nested too deeply): {RESTORE}") from None
    except ValueError as error:  # no JSON, no UTF-8, or a number of too many digits
        raise RunError(f"{file} is damaged ({error}): {RESTORE}") from None


def parse_lines(content: bytes, file: Path) -> list[dict[str, Any]]:
    """Return the objects of the content of a JSON Lines file.

    Raises:
        RunError: a line is none.
    """
    lines = [parse_json(line, file) for line in content.split(b"\n") if line]
    if not all(isinstance(line, dict) for line in lines):
        raise RunError(f"{file} is damaged (a line is no object): {RESTORE}")
    return lines


def read_verified(file: Path, digest: str) -> bytes:
    """Return the content of a file that is what was written: what is returned was digested.

    Raises:
        RunError: it is not, or it cannot be read.
    """
    try:
        content = b"" if kind_of_special(file) else file.read_bytes()
    except OSError as error:
        raise RunError(_unreadable(file, error)) from None
    if digest_bytes(content) != digest:
        raise RunError(not_written(file))
    return content


def check_digest(file: Path, digest: str | None) -> Path:
    """Return a file that is what was written; one that is too large to be held in memory.

    Raises:
        RunError: it is not, or it cannot be read.
    """
    try:
        is_whole = kind_of_special(file) is None and digest_file(file) == digest
    except OSError as error:
        raise RunError(_unreadable(file, error)) from None
    if not is_whole:
        raise RunError(not_written(file))
    return file


def write_digests(folder: Path) -> None:
    """Write the digests of all files of a folder into one more, so that it can be checked alone."""
    write_json(folder / DIGESTS, digest_folder(folder))


def check_digests(folder: Path) -> None:
    """Raise RunError unless the files that `write_digests` has seen are unchanged.

    Raises:
        RunError: one is missing or damaged, or the digests are.
    """
    try:
        digests = read_json(folder / DIGESTS)
    except OSError as error:
        raise RunError(_unreadable(folder / DIGESTS, error)) from None
    if not isinstance(digests, dict) or not digests:
        raise RunError(not_written(folder / DIGESTS))
    for name, digest in digests.items():
        check_digest(folder / name, digest)


def not_written(file: Path) -> str:
    """Return what to tell a user of whose file the digest is another one."""
    return f"{file} is not what was written: {RESTORE}"


def _unreadable(file: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{file} is missing: {RESTORE}"
    return f"{file} cannot be read ({error.strerror}): {RESTORE}"


def read_foreign(file: Path, max_bytes: int) -> bytes:
    """Return the content of a file that somebody else has made, if it is a file of usual size.

    Raises:
        InputError: it is a device or the like, or larger.
        OSError: it cannot be read.
    """
    check_kind(file)
    with file.open("rb") as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InputError(f"{file} is larger than {max_bytes >> 20} MiB, as no such file is.")
    return content


def check_kind(file: Path) -> None:
    """Raise InputError unless a path is a file or folder, or nothing.

    Raises:
        InputError: it is a named pipe, a socket or a device.
    """
    if kind := kind_of_special(file):
        raise InputError(f"{file} is {kind}, and not a file: name one that can be read again.")


def kind_of_special(file: Path) -> str | None:
    """Return what a path is that is neither a file nor a folder; None for these, or if missing.

    To open a named pipe waits for a writer, and a device may never end.
    """
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError):  # a name may hold a zero byte
        return None
    kinds = {
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode))


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


def has_stray_bytes(text: str) -> bool:
    """Return whether a name or an argument holds bytes that are no text.

    Python keeps such bytes as lone surrogates, which JSON, Parquet and databases refuse.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def printable(text: str) -> str:
    r"""Return it with such bytes written as \xff."""
    escaped = text.encode("utf-8", "backslashreplace").decode()
    return re.sub(r"\\udc([89a-f][0-9a-f])", r"\\x\1", escaped)
