"""Opening a tracking store: a server that answers and fits, or a database that is whole and new."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
from mlflow.store.db import utils as schema
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.tracking import MlflowClient
from sqlalchemy.engine import make_url

from textmill.errors import RunError
from textmill.files import sqlite_url
from textmill.secrets import request

PING_TIMEOUT_S = 5
_SQLITE = b"SQLite format 3\x00"
_HEADER_BYTES = 100  # of a database; the format: https://www.sqlite.org/fileformat.html

log = logging.getLogger(__name__)


def ping(uri: str) -> None:
    """Raise RunError unless an MLflow server answers.

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
    """Raise RunError if an MLflow server says that it is of another major version.

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
        beside.touch()  # SQLite by itself would let nobody else of a group write
        MlflowClient(sqlite_url(beside)).search_experiments(max_results=1)
        with closing(sqlite3.connect(beside)) as connection, connection:
            # MLflow would put what is logged without an experiment into the working folder.
            place = (file.parent / "artifacts" / "0").as_uri()
            connection.execute("UPDATE experiments SET artifact_location = ?", [place])
        beside.rename(file)
    finally:
        remove()


def open_database(file: Path) -> MlflowClient:
    """Return a client of our own database, which is brought to this version of MLflow if need be.

    Raises:
        MlflowException, SQLAlchemyError: it cannot be opened.
        RunError: it is of another version of MLflow, and cannot be brought to this one.
    """
    uri = sqlite_url(file)
    if is_of_another_version(uri):
        upgrade(file)
    return open_address(uri)


def open_address(uri: str) -> MlflowClient:
    """Return a client of a tracking store.

    Raises:
        MlflowException, SQLAlchemyError: it cannot be opened.
        RunError: it is a database of another version of MLflow.
    """
    is_database = urlsplit(uri).scheme.partition("+")[0] in DATABASE_ENGINES
    if is_database and is_of_another_version(uri):
        raise RunError(
            f"The database {uri} was made by another version of MLflow than "
            f"{mlflow.__version__}: keep a copy of it, then run mlflow db upgrade '{uri}'."
        )
    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def is_of_another_version(uri: str) -> bool:
    """Return whether another version of MLflow has made a database.

    MLflow would tell only sometimes, and at other times change it without a word.

    Raises:
        MlflowException, SQLAlchemyError: it cannot be opened.
    """
    engine = schema.create_sqlalchemy_engine(uri)  # type: ignore[no-untyped-call]
    try:
        version = schema._get_schema_version(engine)  # type: ignore[no-untyped-call]
    finally:
        engine.dispose()
    return version not in (None, schema._get_latest_schema_revision())  # type: ignore[no-untyped-call]


def upgrade(file: Path) -> None:
    """Bring a database to this version of MLflow; a copy of it as it was stays beside it.

    Raises:
        RunError: MLflow cannot do so.
    """
    kept = file.with_name(f"{file.name}.before-{mlflow.__version__}")
    copy_database(file, kept)
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", sqlite_url(file)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        with closing(sqlite3.connect(kept)) as copy, closing(sqlite3.connect(file)) as half_done:
            copy.backup(half_done)
        kept.unlink()
        reason = next(reversed(done.stderr.strip().splitlines()), f"status {done.returncode}")
        raise RunError(
            f"{file} was made by another version of MLflow, and {mlflow.__version__} cannot "
            f"upgrade it ({reason}): it is as it was. Install the MLflow that made it, or a newer "
            "one."
        )
    log.warning(
        "Upgraded %s, of an older MLflow, to %s; as it was it is %s.",
        file,
        mlflow.__version__,
        kept.name,
    )


def copy_database(file: Path, target: Path) -> None:
    """Copy a database as it is between two transactions, even one that may only be read."""
    target.unlink(missing_ok=True)
    address = f"{file.as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(address, uri=True)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
    except sqlite3.OperationalError:
        # A transaction was cut off: SQLite may not undo it there, but it can in the copy.
        for part in file.parent.glob(f"{file.name}*"):
            if part.name.removeprefix(file.name) in ("", "-journal", "-wal"):
                shutil.copyfile(part, f"{target}{part.name.removeprefix(file.name)}")
