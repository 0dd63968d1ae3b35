"""The connection to an MLflow store: where it is, its client, and its failures in words."""

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

# MLflow reads these when it needs them. Trying again is ours: at the start an address that does not
# answer is reported at once, in the middle of a run it is waited for, and people are told.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# Where a server keeps artifacts in S3, MLflow would fetch them from there by itself: machines that
# reach the server alone could not, and *.gz files would arrive unpacked (seen with MLflow 3.17).
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
from textmill.tracking.database.patience import Answer, Patience
from textmill.tracking.database.relocation import relocate
from textmill.web.addresses import bypass_proxies, local_address
from textmill.web.login import use_login

DATABASE = "mlflow.db"
PIPELINE_LOCK = "pipeline-"
"""Begins the names of the locks that running pipelines hold."""

log = logging.getLogger(__name__)


class StoreError(RunError):
    """The tracking store failed, or its disk is full; what is finished stays."""


class Connection:
    """A store as MLflow's client reaches it, and the folder beside it for work in progress.

    Every method of the client raises a StoreError when the store fails. A server that is away in
    the middle of a run is waited for first.

    A store in a folder is brought up to date when it is opened: if it was moved or copied, its
    records name where it is now. One that may only be read is read from a copy of its database.

    Args:
        config: where it is; without a URI, a database in the home folder.

    Raises:
        RunError: the tracking address does not answer, or the database cannot be opened.
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
        """Why the store cannot be written, where it is read-only."""
        database = self.home / DATABASE
        default = sqlite_url(database)
        given = config.uri.get_secret_value() if config.uri else None
        self.uri = register_secrets(given or os.environ.get("MLFLOW_TRACKING_URI") or default)
        self.name = self.uri
        """What the store is called in messages."""
        self.patience = Patience(self.uri)
        is_default = self.uri == default
        self.artifact_root = (self.home / "artifacts").as_uri() if is_default else None
        try:
            with self.as_store_errors():
                if is_default and (obstacle := _obstacle(self.home)):
                    self.client = self._open_copy(database, obstacle)
                else:
                    self.client = self._open_writable(database if is_default else None)
        except OSError as error:
            raise RunError(f"{self.home} cannot be written: {error}. Set tracking.home.") from None
        self.ui_url = f"http://{local_address(config.host, config.mlflow_port)}"
        if self.uri.startswith("http"):
            self.ui_url = without_credentials(self.uri)

    def _open_writable(self, database: Path | None) -> MlflowClient:
        self.locks.mkdir(parents=True, exist_ok=True)
        # First starts at the same time would race on the migrations of the database.
        with FileLock(self.locks / "open.lock"):
            self.locks_id = self._locks_id()
            client = self._open(database)
            if database is not None:
                moved_from = relocate(database, self.home, self._check_free)
                if moved_from is not None:
                    log.warning("The store %s was in %s before.", self.home, moved_from)
            return client

    def _locks_id(self) -> str:
        """Return what tells this folder of locks from others, on machines of whatever name."""
        file = self.locks / "id"
        known, _, digest = (file.read_bytes() if file.exists() else b"").partition(b" ")
        # Those of early versions have no digest.
        if re.fullmatch(rb"[0-9a-f]{32}", known) and digest in (b"", _short_digest(known)):
            return known.decode()
        if file.exists():
            log.warning(
                "%s was damaged and is made anew: end the runs that a killed process may have left "
                "RUNNING before in MLflow, as textmill does not know them any more.",
                file,
            )
        known = uuid.uuid4().hex.encode()
        write_atomic(file, known + b" " + _short_digest(known))
        return known.decode()

    def _open_copy(self, database: Path, obstacle: str) -> MlflowClient:
        """Open a read-only store: by a copy of its database, which ends with this."""
        self.locks_id = ""
        self.read_only = obstacle
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
        """A folder, as long as this lives, for what could not be written into a read-only store."""
        return Path(self._private.name)

    def _check_free(self, other: str) -> None:
        """Raise RunError unless no pipeline runs in the store under another name.

        Raises:
            RunError: one does; its files would be looked for in another place.
        """
        for lock in sorted(self.locks.glob(f"{PIPELINE_LOCK}*.lock")):
            try:
                FileLock(lock).acquire(timeout=0).lock.release()
            except Timeout:
                raise RunError(
                    f"A pipeline is running in {self.home}, which it knows as {other}: use the "
                    "store under that name, or wait until the pipeline has ended."
                ) from None

    def _open(self, database: Path | None) -> MlflowClient:
        if self.uri.startswith("http"):
            opening.ping(self.uri)
            opening.check_version(self.uri)
        self.use()
        # It logs, with a trace, the same errors that it raises.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        try:
            # Of our own, the place is known; an address spells some of its characters otherwise.
            file = database or opening.database_file(self.uri)
            is_there = file is not None and opening.check_database(file)
            if database is None:
                client = opening.open_address(self.uri)
            else:
                if not is_there:
                    opening.make_database(database)
                client = opening.open_database(database)
        except (MlflowException, SQLAlchemyError, ImportError) as error:
            # The last is for a driver that is not installed, such as psycopg2.
            if is_disk_full(error):
                raise
            raise RunError(
                f"The tracking store {self.name} cannot be opened: {_first_line(error)}. "
                "Check tracking.uri and MLFLOW_TRACKING_URI."
            ) from None
        return cast(MlflowClient, Client(client, self.patiently, self.check_writable))

    def check_writable(self) -> None:
        """Raise RunError unless the store can be written.

        Raises:
            RunError: it is read-only.
        """
        if self.read_only is not None:
            raise RunError(
                f"The store {self.home} is read-only ({self.read_only}): set "
                "tracking.home to a folder of yours, such as a copy of it."
            )

    def lock(self, name: str) -> FileLock:
        """Return a lock that processes with this home share.

        Raises:
            RunError: the store is read-only.
        """
        self.check_writable()
        return FileLock(self.locks / name)

    def use(self) -> None:
        """Make this the store of MLflow's own functions, which know one for the whole process.

        Has to come before what MLflow does without a client: logging and registering models.
        """
        given = os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(self.uri)
        # MLflow puts the address into the environment too, where the next store of this process
        # would take it for the user's wish.
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if given is not None:
            os.environ["MLFLOW_TRACKING_URI"] = given

    def at_once(self) -> MlflowClient:
        """Return a client that waits for no server."""
        bare = cast(Client, self.client).bare
        return cast(MlflowClient, Client(bare, self._once, self.check_writable))

    def _once(self, attempt: Callable[[], Answer]) -> Answer:
        """Return what a function returns.

        Raises:
            StoreError: the store failed.
        """
        with self.as_store_errors():
            return attempt()

    def patiently(self, attempt: Callable[[], Answer]) -> Answer:
        """Return what a function returns, called again while the server it needs is away.

        Raises:
            StoreError: the store failed, or the server stayed away.
        """
        with self.as_store_errors():
            return self.patience.call(attempt) if self.uri.startswith("http") else attempt()

    @contextmanager
    def as_store_errors(self) -> Iterator[None]:
        """Raise every failure of the store, and a full disk, as one message.

        Raises:
            StoreError: in place of the exceptions of MLflow and the libraries under it.
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
                "works: finished steps are kept, and not computed again."
            ) from error


def _obstacle(home: Path) -> str | None:
    """Return why an existing store is read-only, or None if it can be written."""
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
