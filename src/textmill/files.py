"""Atomic writes, digests, and checked reads of files."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.errors import InputError, RunError

MANIFEST = "manifest.json"
DIGESTS = "digests.json"
"""File with the digests of a folder's other files, to verify the folder without its run."""
RESTORE = "restore it from a backup, or run its pipeline again, which recomputes the step."
"""How to fix a damaged file of a result."""

# Messages of SQLite, safetensors, tokenizers, pyarrow and numpy, which do not set errno.
_FULL_DISK = re.compile(
    r"no space left on device|disk quota exceeded|database or disk is full"
    r"|\d requested and \d+ written",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CachePlace:
    """A cache folder of earlier runs, and the folder of this run's additions."""

    folder: Path
    """The cache; need not exist."""
    new: Path
    """Additions of this run, moved to the cache if it succeeds."""
    max_bytes: int
    """Maximum size of the additions."""


def write_json(file: Path, value: Any) -> None:
    """Write a value atomically as indented JSON with sorted keys."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomic(file, text.encode())


def read_json(file: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        RunError: it is not valid JSON.
        OSError: it cannot be read.
    """
    return parse_json(file.read_bytes(), file)


def parse_json(content: bytes, file: Path) -> Any:
    """Return the value of the content of a JSON file.

    Raises:
        RunError: it is not valid JSON.
    """
    try:
        return json.loads(content.decode())
    except RecursionError:
        raise RunError(f"{file} is damaged (nested too deeply): {RESTORE}") from None
    except ValueError as error:  # invalid JSON or UTF-8, or a number with too many digits
        raise RunError(f"{file} is damaged ({error}): {RESTORE}") from None


def parse_lines(content: bytes, file: Path) -> list[dict[str, Any]]:
    """Return the objects of the content of a JSON Lines file.

    Raises:
        RunError: a line is not a JSON object.
    """
    lines = [parse_json(line, file) for line in content.split(b"\n") if line]
    if not all(isinstance(line, dict) for line in lines):
        raise RunError(f"{file} is damaged (a line is not a JSON object): {RESTORE}")
    return lines


def read_verified(file: Path, digest: str) -> bytes:
    """Return the content of a file, verified against its digest.

    Raises:
        RunError: the digest differs, or the file cannot be read.
    """
    try:
        content = b"" if special_file_type(file) else file.read_bytes()
    except OSError as error:
        raise RunError(_unreadable(file, error)) from None
    if digest_bytes(content) != digest:
        raise RunError(digest_mismatch(file))
    return content


def check_digest(file: Path, digest: str | None) -> Path:
    """Return the file, verified against its digest; for files too large to read into memory.

    Raises:
        RunError: the digest differs, or the file cannot be read.
    """
    try:
        is_whole = special_file_type(file) is None and digest_file(file) == digest
    except OSError as error:
        raise RunError(_unreadable(file, error)) from None
    if not is_whole:
        raise RunError(digest_mismatch(file))
    return file


def write_digests(folder: Path) -> None:
    """Write the digests of all files of a folder into `DIGESTS`."""
    write_json(folder / DIGESTS, digest_folder(folder))


def check_digests(folder: Path) -> None:
    """Raise RunError unless all files match the digests written by `write_digests`.

    Raises:
        RunError: a file or the digests are missing or damaged.
    """
    try:
        digests = read_json(folder / DIGESTS)
    except OSError as error:
        raise RunError(_unreadable(folder / DIGESTS, error)) from None
    if not isinstance(digests, dict) or not digests:
        raise RunError(digest_mismatch(folder / DIGESTS))
    for name, digest in digests.items():
        check_digest(folder / name, digest)


def digest_mismatch(file: Path) -> str:
    """Return the message for a file whose digest differs from the recorded one."""
    return f"{file} is damaged, its digest differs from the recorded one: {RESTORE}"


def _unreadable(file: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{file} is missing: {RESTORE}"
    return f"{file} cannot be read ({error.strerror}): {RESTORE}"


def read_untrusted(file: Path, max_bytes: int) -> bytes:
    """Return the content of a file from an untrusted source, up to a maximum size.

    Raises:
        InputError: it is not a regular file, or larger.
        OSError: it cannot be read.
    """
    reject_special_file(file)
    with file.open("rb") as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InputError(
            f"{file} is larger than {max_bytes >> 20} MiB, the maximum for such a file: replace it."
        )
    return content


def reject_special_file(file: Path) -> None:
    """Raise InputError if a path is a named pipe, a socket or a device."""
    if kind := special_file_type(file):
        raise InputError(f"{file} is {kind}, not a file: use a regular file.")


def special_file_type(file: Path) -> str | None:
    """Return the type of a special file; None for regular files, folders and missing paths.

    Opening a named pipe waits for a writer, and reading a device may never end.
    """
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError):  # a name may contain a null byte
        return None
    kinds = {
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode))


def write_atomic(file: Path, content: bytes) -> None:
    """Write a file atomically: to a temporary file, flushed to disk and renamed."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def link_or_copy(file: Path, target: Path) -> None:
    """Make a file that is never changed available in another place, without taking space for it.

    The target is a hard link, or a copy where the file system has none; an existing one is replaced
    atomically.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        try:
            os.link(file, beside)
        except OSError:
            shutil.copyfile(file, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def sqlite_url(file: Path, driver: str = "pysqlite") -> str:
    """Return the SQLAlchemy URL of an SQLite database, for any path.

    Args:
        file: absolute path of the database.
        driver: pysqlite or aiosqlite.
    """
    if "?" not in str(file):
        prefix = "sqlite" if driver == "pysqlite" else f"sqlite+{driver}"
        return f"{prefix}:///{file}"
    # SQLAlchemy ends a path at its first question mark, without an escape for it: a file: URI is
    # parsed by SQLite itself. With a driver in the URL, MLflow does not create a folder "file:".
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
    """Return whether a full disk or quota is the cause of an error, even if wrapped."""
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
    """Return the message for a full disk."""
    return (
        f"The disk of {place} is full: free space and run again, or set tracking.home to a folder "
        "on another disk. Finished steps are kept and reused."
    )


def digest_bytes(content: bytes) -> str:
    """Return the SHA-256 of the content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_file(file: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lines_of_digest(file: Path, digest: str) -> int | None:
    """Return how many lines a file had when it had this digest, if it has only grown since."""
    found = hashlib.sha256()
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            found.update(line)
            if found.hexdigest() == digest:
                return number
    return None


def digest_files(files: Iterable[Path]) -> str:
    """Return one digest for an ordered list of files, independent of their folders."""
    return join_digests({file: digest_file(file) for file in files})


def join_digests(digests: Mapping[Path, str]) -> str:
    """Return one digest for an ordered list of files with known digests."""
    return digest_values([(file.name, digest) for file, digest in digests.items()])


def digest_folder(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder except the manifest, by relative path."""
    return {
        file.relative_to(folder).as_posix(): digest_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != folder / MANIFEST
    }


def digest_values(value: Mapping[str, Any] | list[Any]) -> str:
    """Return a digest of JSON values, independent of the order of keys."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def has_undecodable_bytes(text: str) -> bool:
    """Return whether a file name or argument has bytes that could not be decoded.

    Python represents them as lone surrogates, which JSON, Parquet and databases reject.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def printable(text: str) -> str:
    r"""Return the text with undecodable bytes escaped as \xff."""
    escaped = text.encode("utf-8", "backslashreplace").decode()
    return re.sub(r"\\udc([89a-f][0-9a-f])", r"\\x\1", escaped)
