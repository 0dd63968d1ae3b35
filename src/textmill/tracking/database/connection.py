"""The connection to an MLflow store: its location, client, locks and errors."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

# MLflow reads these lazily. Its retries are replaced by ours: at startup, an unreachable server is
# reported immediately; during a run, calls are retried, with a warning.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# If a server stores artifacts in S3, MLflow would download them from S3 directly: that fails on
# machines that only reach the server, and decompresses *.gz files (seen with MLflow 3.17).
os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "false")

import mlflow
from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from textmill.config import TrackingConfig
from textmill.errors import RunError
from textmill.files import digest_bytes, full_disk_message, is_disk_full, sqlite_url, write_atomic
from textmill.secrets import register_secrets, without_credentials
from textmill.steps.access import restrict
from textmill.tracking.database import opening
from textmill.tracking.database.client import Client
from textmill.tracking.database.patience import Answer, ServerRetries
from textmill.tracking.database.relocation import relocate
from textmill.web.addresses import bypass_proxies, local_address
from textmill.web.login import use_login

DATABASE = "mlflow.db"
PIPELINE_LOCK = "pipeline-"
"""Prefix of the names of locks that running pipelines hold."""

log = logging.getLogger(__name__)


class StoreError(RunError):
    """The tracking store failed, or its disk is full; finished results are kept."""


class Connection:
    """A connection to an MLflow store, with its folder for work in progress.

    Every method of the client raises StoreError if the store fails; calls to a server are retried
    first.

    A store in a folder is updated when it is opened: if it was moved or copied, its records are
    rewritten to the new location. A read-only store is read from a copy of its database.

    Args:
        config: its location; without a URI, a database in the home folder.

    Raises:
        RunError: the tracking server does not respond, or the database cannot be opened.
    """

    def __init__(self, config: TrackingConfig) -> None:
        self.permissions = config.permissions
        restrict(self.permissions)
        bypass_proxies(config.host)
        use_login()
        self.home = Path(config.home).absolute()
        self.wip = self.home / "wip"
        self.locks = self.wip / "locks"
        self.reserve = self.wip / "reserve"
        self.read_only: str | None = None
        """Why the store is read-only, or None if it is writable."""
        database = self.home / DATABASE
        default = sqlite_url(database)
        given = config.uri.get_secret_value() if config.uri else None
        self.uri = register_secrets(given or os.environ.get("MLFLOW_TRACKING_URI") or default)
        self.name = self.uri
        """Name of the store in messages."""
        self.retries = ServerRetries(self.uri)
        is_default = self.uri == default
        self.artifact_root = (self.home / "artifacts").as_uri() if is_default else None
        try:
            with self.as_store_errors():
                if is_default and (reason := _read_only_reason(self.home)):
                    self.client = self._open_copy(database, reason)
                else:
                    self.client = self._open_writable(database if is_default else None)
        except OSError as error:
            raise RunError(f"{self.home} cannot be written: {error}. Set tracking.home.") from None
        self.ui_url = f"http://{local_address(config.host, config.mlflow_port)}"
        if self.uri.startswith("http"):
            self.ui_url = without_credentials(self.uri)

    def _open_writable(self, database: Path | None) -> MlflowClient:
        self.locks.mkdir(parents=True, exist_ok=True)
        # Concurrent first starts would race on the migrations of the database.
        with FileLock(self.locks / "open.lock"):
            self.locks_id = self._locks_id()
            client = self._open(database)
            if database is not None:
                moved_from = relocate(database, self.home, self._check_unused)
                if moved_from is not None:
                    log.warning("The store %s was moved from %s.", self.home, moved_from)
            return client

    def _locks_id(self) -> str:
        """Return the id of this folder of locks, created once; unique across machines."""
        file = self.locks / "id"
        known, _, digest = (file.read_bytes() if file.exists() else b"").partition(b" ")
        # Ids written by early versions have no digest.
        if re.fullmatch(rb"[0-9a-f]{32}", known) and digest in (b"", _short_digest(known)):
            return known.decode()
        if file.exists():
            log.warning(
                "%s was damaged and is recreated: in MLflow, end earlier runs that a killed "
                "process left RUNNING, as textmill cannot recognize them any more.",
                file,
            )
        known = uuid.uuid4().hex.encode()
        write_atomic(file, known + b" " + _short_digest(known))
        return known.decode()

    def _open_copy(self, database: Path, reason: str) -> MlflowClient:
        """Open a read-only store through a temporary copy of its database."""
        self.locks_id = ""
        self.read_only = reason
        self._private = tempfile.TemporaryDirectory(prefix="textmill-")
        opening.check_database(database)
        copy = self.private / DATABASE
        opening.copy_database(database, copy)
        self.uri = sqlite_url(copy)
        client = self._open(copy)
        relocate(copy, self.home, lambda _: None)
        return client

    @property
    def private(self) -> Path:
        """A temporary folder for files that cannot be written into a read-only store."""
        return Path(self._private.name)

    def _check_unused(self, other: str) -> None:
        """Raise RunError if a pipeline is running in the store under another path.

        Raises:
            RunError: a pipeline is running; relocation would break the paths of its files.
        """
        for lock in sorted(self.locks.glob(f"{PIPELINE_LOCK}*.lock")):
            try:
                FileLock(lock).acquire(timeout=0).lock.release()
            except Timeout:
                raise RunError(
                    f"A pipeline is running in {self.home} under the path {other}: use the store "
                    "under that path, or wait until the pipeline has ended."
                ) from None

    def _open(self, database: Path | None) -> MlflowClient:
        if self.uri.startswith("http"):
            opening.ping(self.uri)
            opening.check_version(self.uri)
        self.use()
        # It logs the errors that it raises, with a traceback.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        try:
            # The path of our own database is known; a URI escapes some of its characters.
            file = database or opening.database_file(self.uri)
            exists = file is not None and opening.check_database(file)
            if database is None:
                client = opening.open_uri(self.uri)
            else:
                if not exists:
                    opening.make_database(database)
                client = opening.open_database(database)
        except (MlflowException, SQLAlchemyError, ImportError) as error:
            # ImportError: a driver such as psycopg2 is not installed.
            if is_disk_full(error):
                raise
            raise RunError(
                f"The tracking store {self.name} cannot be opened: {_first_line(error)}. "
                "Check tracking.uri and MLFLOW_TRACKING_URI."
            ) from None
        return cast(MlflowClient, Client(client, self.call_with_retries, self.check_writable))

    def check_writable(self) -> None:
        """Raise RunError if the store is read-only.

        Raises:
            RunError: it is read-only.
        """
        if self.read_only is not None:
            raise RunError(
                f"The store {self.home} is read-only ({self.read_only}): set "
                "tracking.home to a writable folder, such as a copy of it."
            )

    def lock(self, name: str) -> FileLock:
        """Return a lock that all processes with this home share.

        Raises:
            RunError: the store is read-only.
        """
        self.check_writable()
        return FileLock(self.locks / name)

    def use(self) -> None:
        """Make this the store of MLflow's fluent functions, which use one URI per process.

        Required before MLflow logs or registers models, which it does without a client.
        """
        given = os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(self.uri)
        # MLflow sets the environment variable as well, which the next store of this process would
        # read as the user's setting.
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if given is not None:
            os.environ["MLFLOW_TRACKING_URI"] = given

    def client_without_retries(self) -> MlflowClient:
        """Return a client that fails immediately if the server does not respond."""
        bare = cast(Client, self.client).bare
        return cast(MlflowClient, Client(bare, self._call_once, self.check_writable))

    def _call_once(self, attempt: Callable[[], Answer]) -> Answer:
        """Return the result of a function.

        Raises:
            StoreError: the store failed.
        """
        with self.as_store_errors():
            return attempt()

    def call_with_retries(self, attempt: Callable[[], Answer]) -> Answer:
        """Return the result of a function, retried while the server does not respond.

        Raises:
            StoreError: the store failed, or the server did not respond until the timeout.
        """
        with self.as_store_errors():
            return self.retries.call(attempt) if self.uri.startswith("http") else attempt()

    @contextmanager
    def as_store_errors(self) -> Iterator[None]:
        """Convert exceptions of the store, and a full disk, to StoreError.

        Raises:
            StoreError: in place of the exceptions of MLflow and its libraries.
        """
        try:
            yield
        except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
            is_ours = isinstance(error, OSError) and not isinstance(error, RequestException)
            if is_disk_full(error) and (is_ours or not self.uri.startswith("http")):
                raise StoreError(full_disk_message(self.home)) from error
            if is_ours:
                raise
            raise StoreError(
                f"The tracking store {self.name} failed: {_first_line(error)}. Run again when it "
                "works: finished steps are kept and reused."
            ) from error


def _read_only_reason(home: Path) -> str | None:
    """Return why an existing store is read-only, or None if it is writable or does not exist."""
    database = home / DATABASE
    if not database.exists():
        return None
    for path in (home, database, home / "wip" / "locks", home / "wip" / "locks" / "open.lock"):
        if path.exists() and not os.access(path, os.W_OK, effective_ids=True):
            return f"{path} is write-protected"
    return None


def _short_digest(content: bytes) -> bytes:
    return digest_bytes(content)[:8].encode()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
