"""Opening a tracking store: a server that answers and fits, or a database that is whole."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient
from sqlalchemy.engine import make_url

from textmill.errors import RunError
from textmill.secrets import request

PING_TIMEOUT_S = 5
_SQLITE = b"SQLite format 3\x00"
_HEADER_BYTES = 100  # of a database; the format: https://www.sqlite.org/fileformat.html


def ping(uri: str) -> None:
    """Return if an MLflow server answers.

    Raises:
        RunError: nothing answers there.
    """
    try:
        with urllib.request.urlopen(request(f"{uri.rstrip('/')}/health"), timeout=PING_TIMEOUT_S):
            return
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise RunError(
            f"The tracking server {uri} does not answer ({reason}): start it, or set tracking.uri "
            "and MLFLOW_TRACKING_URI to one that does."
        ) from None


def check_version(uri: str) -> None:
    """Return if an MLflow server speaks this package's interface, or does not tell its version.

    Raises:
        RunError: its version has another major number; calls would fail in the middle of a run.
    """
    try:
        asked = request(f"{uri.rstrip('/')}/version")
        with urllib.request.urlopen(asked, timeout=PING_TIMEOUT_S) as answer:
            theirs = answer.read(99).decode().strip()
    except (OSError, ValueError, HTTPException):
        return  # what stands before a server need not pass this address on
    major = theirs.partition(".")[0]
    if major.isdigit() and major != mlflow.__version__.partition(".")[0]:
        raise RunError(
            f"The tracking server {uri} runs MLflow {theirs}, and textmill MLflow "
            f"{mlflow.__version__}: both need the same major version."
        )


def database_file(uri: str) -> Path | None:
    """Return the file of an SQLite database, or None if the address names something else."""
    name = make_url(uri).database if uri.startswith("sqlite:") else None
    return None if name is None or name == ":memory:" else Path(name)


def check_database(file: Path) -> bool:
    """Return whether the database of a store is there, and not merely its results.

    Raises:
        RunError: results lie beside it and it is gone or empty, or it is cut off or no database.
    """
    if not file.exists():
        if any(file.parent.glob("artifacts/[!.]*")):
            raise _damaged(file, "is missing")
        return False
    size = file.stat().st_size
    if not size:
        raise _damaged(file, "is empty")
    with file.open("rb") as stream:
        head = stream.read(_HEADER_BYTES)
    if not head.startswith(_SQLITE) or len(head) < _HEADER_BYTES:
        raise _damaged(file, "is no SQLite database any more")
    page_bytes, n_pages = int.from_bytes(head[16:18]), int.from_bytes(head[28:32])
    # A journal says that a write was cut off, which SQLite makes good by itself.
    is_at_rest = not file.with_name(f"{file.name}-journal").exists() and head[24:28] == head[92:96]
    if is_at_rest and size < (page_bytes if page_bytes != 1 else 1 << 16) * n_pages:
        raise _damaged(file, "is cut off")
    return True


def _damaged(file: Path, what: str) -> RunError:
    return RunError(
        f"{file} cannot be opened: it {what}. All results in {file.parent} are known by it: "
        "restore it from a backup. To begin anew, move the whole folder away. Nothing was changed."
    )


def make_database(file: Path) -> None:
    """Make MLflow's database whole or not at all: it cannot open one that is half-made."""
    beside = file.with_name(f".{file.name}")

    def remove() -> None:
        for leftover in file.parent.glob(f"{beside.name}*"):  # SQLite has a journal beside it
            leftover.unlink()

    remove()
    try:
        MlflowClient(f"sqlite:///{beside}").search_experiments(max_results=1)
        beside.rename(file)
    finally:
        remove()
