"""Opening a tracking store: checks of a server, or checks, creation and upgrade of a database."""

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
    """Raise RunError if the MLflow server does not respond.

    Raises:
        RunError: the server does not respond.
    """
    try:
        with urllib.request.urlopen(request(f"{uri.rstrip('/')}/health"), timeout=PING_TIMEOUT_S):
            return
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise RunError(
            f"The tracking server {uri} does not answer ({reason}): start it, or set tracking.uri "
            "or MLFLOW_TRACKING_URI to another one."
        ) from None


def check_version(uri: str) -> None:
    """Raise RunError if an MLflow server has another major version.

    Raises:
        RunError: the major version differs; calls would fail during a run.
    """
    try:
        version_request = request(f"{uri.rstrip('/')}/version")
        with urllib.request.urlopen(version_request, timeout=PING_TIMEOUT_S) as response:
            theirs = response.read(99).decode().strip()
    except (OSError, ValueError, HTTPException):
        return  # a reverse proxy may not forward this path
    major = theirs.partition(".")[0]
    if major.isdigit() and major != mlflow.__version__.partition(".")[0]:
        raise RunError(
            f"The tracking server {uri} runs MLflow {theirs}, and textmill uses MLflow "
            f"{mlflow.__version__}: install the same major version in both."
        )


def database_file(uri: str) -> Path | None:
    """Return the file of an SQLite database, or None if the URI is of another kind."""
    name = make_url(uri).database if uri.startswith("sqlite:") else None
    return None if name is None or name == ":memory:" else Path(name)


def check_database(file: Path) -> bool:
    """Return whether the database of a store exists.

    Raises:
        RunError: it is missing although there are results, or is empty, truncated or invalid.
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
        raise _damaged(file, "is not an SQLite database")
    page_bytes, n_pages = int.from_bytes(head[16:18]), int.from_bytes(head[28:32])
    # With a journal, a write was interrupted: SQLite rolls it back when it opens the file.
    has_journal = file.with_name(f"{file.name}-journal").exists()
    is_size_valid = not has_journal and head[24:28] == head[92:96]
    if is_size_valid and size < (page_bytes if page_bytes != 1 else 1 << 16) * n_pages:
        raise _damaged(file, "is truncated")
    return True


def _damaged(file: Path, what: str) -> RunError:
    return RunError(
        f"{file} cannot be opened: it {what}. It indexes all results in {file.parent}: restore it "
        "from a backup, or move the whole folder away to start over. Nothing was changed."
    )


def make_database(file: Path) -> None:
    """Create MLflow's database atomically: MLflow cannot open a partially created one."""
    staging = file.with_name(f".{file.name}")

    def remove() -> None:
        for leftover in file.parent.glob(f"{staging.name}*"):  # with SQLite's journal
            leftover.unlink()

    remove()
    try:
        staging.touch()  # respects the umask; SQLite would create it without group permissions
        MlflowClient(sqlite_url(staging)).search_experiments(max_results=1)
        with closing(sqlite3.connect(staging)) as connection, connection:
            # MLflow's default experiment would store its artifacts in the working directory.
            location = (file.parent / "artifacts" / "0").as_uri()
            connection.execute("UPDATE experiments SET artifact_location = ?", [location])
        staging.rename(file)
    finally:
        remove()


def open_database(file: Path) -> MlflowClient:
    """Return a client of our own database, upgraded to this version of MLflow if necessary.

    Raises:
        MlflowException, SQLAlchemyError: it cannot be opened.
        RunError: it was created by another version of MLflow and cannot be upgraded.
    """
    uri = sqlite_url(file)
    if has_other_schema(uri):
        upgrade(file)
    return open_uri(uri)


def open_uri(uri: str) -> MlflowClient:
    """Return a client of a tracking store.

    Raises:
        MlflowException, SQLAlchemyError: it cannot be opened.
        RunError: it is a database of another version of MLflow.
    """
    is_database = urlsplit(uri).scheme.partition("+")[0] in DATABASE_ENGINES
    if is_database and has_other_schema(uri):
        raise RunError(
            f"The database {uri} was created by another version of MLflow than "
            f"{mlflow.__version__}: back it up, then run mlflow db upgrade '{uri}'."
        )
    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def has_other_schema(uri: str) -> bool:
    """Return whether the schema of a database is that of another version of MLflow.

    MLflow reports this only sometimes, and otherwise migrates the database silently.

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
    """Upgrade a database to this version of MLflow, after a backup beside it.

    Raises:
        RunError: the upgrade failed; the database is unchanged.
    """
    backup = file.with_name(f"{file.name}.before-{mlflow.__version__}")
    copy_database(file, backup)
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", sqlite_url(file)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        with closing(sqlite3.connect(backup)) as copy, closing(sqlite3.connect(file)) as failed:
            copy.backup(failed)
        backup.unlink()
        reason = next(reversed(done.stderr.strip().splitlines()), f"status {done.returncode}")
        raise RunError(
            f"{file} was created by another version of MLflow, and {mlflow.__version__} cannot "
            f"upgrade it ({reason}): it is unchanged. Install the MLflow version that created it, "
            "or a newer one."
        )
    log.warning(
        "Upgraded %s from an older version of MLflow to %s; the backup is %s.",
        file,
        mlflow.__version__,
        backup.name,
    )


def copy_database(file: Path, target: Path) -> None:
    """Copy a consistent state of a database, even one that is read-only."""
    target.unlink(missing_ok=True)
    uri = f"{file.as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
    except sqlite3.OperationalError:
        # A transaction was interrupted: SQLite can roll it back in the copy only.
        for part in file.parent.glob(f"{file.name}*"):
            if part.name.removeprefix(file.name) in ("", "-journal", "-wal"):
                shutil.copyfile(part, f"{target}{part.name.removeprefix(file.name)}")
