"""The MLflow store: the one place where results live."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

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
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from textmill.config import TrackingConfig, flatten
from textmill.errors import InputError, RunError
from textmill.files import (
    MANIFEST,
    digest_file,
    digest_folder,
    full_disk_message,
    is_disk_full,
    read_json,
    sync_folder,
    write_whole,
)
from textmill.tracking.client import START_TAG, Client
from textmill.tracking.opening import check_version, make_database, ping
from textmill.tracking.patience import Answer, Patience
from textmill.web.login import use_login
from textmill.web.network import past_proxies, reached_at

OUTPUT = "output"
"""Where a step's output folder stands among its run's artifacts."""
MANIFEST_TAG = "textmill.manifest"
"""The digest of a result's manifest, which holds those of all its other files."""
LOCKS_TAG = "textmill.locks"
"""The id of the folder of locks that a run's lock lies in."""
LOCK_TAG = "textmill.lock"
"""The name of the lock that a run's process holds."""
MAX_PER_BATCH = 100  # params and tags that MLflow takes in one call
MAX_METRICS = 1000
MOST_RUNS = 50_000  # that MLflow gives in one answer
FOREIGN = re.compile(r"[^/\w.\- :]")
"""What the name of a metric may not hold."""
START_S = 5  # longer than a pipeline takes to start its run
RESERVE_BYTES = 1 << 20

log = logging.getLogger(__name__)


class StoreError(RunError):
    """The tracking store failed, or its disk is full; what is finished stays."""


class Store:
    """An MLflow tracking store, and the folder beside it for work in progress.

    Every method, and every method of its client, raises a StoreError when the store fails. A
    server that is away in the middle of a run is waited for first.

    Args:
        config: where it is; without a URI, a database in the home folder.

    Raises:
        RunError: the tracking address does not answer, or the database cannot be opened.
    """

    def __init__(self, config: TrackingConfig) -> None:
        self.home = Path(config.home)
        self.wip = self.home / "wip"
        self.locks = self.wip / "locks"
        self.reserve = self.wip / "reserve"
        database = self.home / "mlflow.db"
        default = f"sqlite:///{database}"
        self.uri = config.uri or os.environ.get("MLFLOW_TRACKING_URI") or default
        self.patience = Patience(self.uri)
        past_proxies(config.host)
        use_login()
        self.artifact_root = (self.home / "artifacts").as_uri() if self.uri == default else None
        try:
            with self.failures_in_words():
                self.locks.mkdir(parents=True, exist_ok=True)
                # First starts at the same time would race on the migrations of the database.
                with FileLock(self.locks / "open.lock"):
                    self.locks_id = self._locks_id()
                    self.client = self._open(database if self.uri == default else None)
        except OSError as error:
            raise RunError(f"{self.home} cannot be written: {error}. Set tracking.home.") from None
        self.ui_url = (
            self.uri
            if self.uri.startswith("http")
            else f"http://{reached_at(config.host, config.mlflow_port)}"
        )

    def _locks_id(self) -> str:
        """Return what tells this folder of locks from others, on machines of whatever name."""
        file = self.locks / "id"
        if not file.exists():
            write_whole(file, uuid.uuid4().hex.encode())
        return file.read_text()

    def _open(self, database: Path | None) -> MlflowClient:
        if self.uri.startswith("http"):
            ping(self.uri)
            check_version(self.uri)
        self.use()
        # It logs, with a trace, the same errors that it raises.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        try:
            if database is not None and not database.exists():
                make_database(database)
            client = MlflowClient(self.uri)
            client.search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError) as error:
            if is_disk_full(error):
                raise
            raise RunError(
                f"The tracking store {self.uri} cannot be opened: {_first_line(error)}. "
                "Check tracking.uri and MLFLOW_TRACKING_URI."
            ) from None
        return cast(MlflowClient, Client(client, self))

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
        return cast(MlflowClient, Client(cast(Client, self.client).bare, self, is_patient=False))

    def patiently(self, attempt: Callable[[], Answer]) -> Answer:
        """Return what a function returns, called again while the server it needs is away.

        Raises:
            StoreError: the store failed, or the server stayed away.
        """
        with self.failures_in_words():
            return self.patience.call(attempt) if self.uri.startswith("http") else attempt()

    @contextmanager
    def failures_in_words(self) -> Iterator[None]:
        """Raise every failure of the store, and a full disk, as one message.

        Raises:
            StoreError: in place of the exceptions of MLflow and the libraries under it.
        """
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            is_ours = isinstance(error, OSError) and not isinstance(error, RequestException)
            if is_disk_full(error) and (is_ours or not self.uri.startswith("http")):
                raise StoreError(full_disk_message(self.home)) from error
            if is_ours:
                raise
            raise StoreError(
                f"The tracking store {self.uri} failed: {_first_line(error)}. Run again when it "
                "works: finished steps are kept, and not computed again."
            ) from error

    def set_room_aside(self) -> None:
        """Keep some room on the disk, so that runs can be closed even when it is full.

        Raises:
            StoreError: there is not so much.
        """
        with self.failures_in_words():
            if not self.reserve.exists():
                # Not zeros: some file systems take no room for them.
                write_whole(self.reserve, os.urandom(RESERVE_BYTES))

    def experiment(self, name: str) -> str:
        """Return the id of the experiment of that name, made if need be.

        Raises:
            InputError: the experiment was deleted.
        """
        with FileLock(self.locks / "open.lock"):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                return str(self.client.create_experiment(name, self.artifact_root))
        if found.lifecycle_stage != "active":
            raise InputError(
                f"The MLflow experiment {name!r} was deleted: restore it, or set experiment=NAME."
            )
        return str(found.experiment_id)

    def start_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
        """Return the id of a new run."""
        start = {START_TAG: uuid.uuid4().hex}
        run = self.client.create_run(experiment_id, run_name=name, tags={**tags, **start})
        return str(run.info.run_id)

    def end_run(self, run_id: str, status: str, failure: str | None = None) -> None:
        """Set the final status of a run: FINISHED, FAILED or KILLED; and why it failed."""

        def end() -> None:
            self.client.set_terminated(run_id, status)
            if failure is not None:
                self.set_tags(run_id, {"textmill.failure": failure[:5000]})

        try:
            end()
        except StoreError:
            self.reserve.unlink(missing_ok=True)  # the disk may be full: this makes room
            end()

    def search(
        self, condition: str, most: int = 1000, experiment_id: str | None = None
    ) -> list[Run]:
        """Return the runs for which the condition holds, the newest first.

        Args:
            condition: in MLflow's language.
            most: how many at most.
            experiment_id: whose runs; None: those of all experiments.
        """
        experiments = [experiment_id] if experiment_id else self._experiment_ids()
        return list(
            self.client.search_runs(
                experiments, condition, ViewType.ACTIVE_ONLY, most, ["attributes.start_time DESC"]
            )
        )

    def _experiment_ids(self) -> list[str]:
        return [experiment.experiment_id for experiment in self.client.search_experiments()]

    def log_params(self, run_id: str, values: Mapping[str, Any]) -> None:
        """Log a nested configuration as params with dotted names."""
        params = [Param(key, str(value)) for key, value in flatten(values).items()]
        for start in range(0, len(params), MAX_PER_BATCH):
            self.client.log_batch(run_id, params=params[start : start + MAX_PER_BATCH])

    def log_metrics(
        self, run_id: str, values: Mapping[str, float], time_ms: int | None = None
    ) -> None:
        """Log numbers under their names; those with the same time, logged again, count once."""
        if time_ms is None:
            time_ms = int(time.time() * 1000)
        self.log_points(run_id, [Metric(k, float(v), time_ms, 0) for k, v in values.items()])

    def log_points(self, run_id: str, points: list[Metric], is_patient: bool = True) -> None:
        """Log points of metrics over time; points sent twice count once.

        Characters that MLflow takes for no part of a metric's name are written as their code.
        """
        client = self.client if is_patient else self.at_once()
        points = [Metric(metric_name(p.key), p.value, p.timestamp, p.step) for p in points]
        for start in range(0, len(points), MAX_METRICS):
            client.log_batch(run_id, metrics=points[start : start + MAX_METRICS])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_datasets(self, run_id: str, inputs: Iterable[Dataset]) -> None:
        """Record what data a run read, with its digest."""
        entries = []
        for name, place, digest, context in inputs:
            source = mlflow.data.dataset_source_registry.resolve_dataset_source(place)
            dataset = MetaDataset(source, name=name, digest=digest[:36])  # type: ignore[abstract]
            tags = [InputTag("mlflow.data.context", context)]
            entries.append(DatasetInput(dataset._to_mlflow_entity(), tags))
        if entries:
            # MLflow looks for a data set and then adds it: of two runs that log the same one at the
            # same time, one would fail (seen on SQLite, "UNIQUE constraint failed: datasets").
            with FileLock(self.locks / "datasets.lock"):
                self.client.log_inputs(run_id, entries)

    def publish(self, run_id: str, out: Path) -> Path:
        """Make a finished output folder the run's artifact, whole; return where it is readable."""
        self.set_tags(run_id, {MANIFEST_TAG: digest_file(out / MANIFEST)})
        sync_folder(out)
        place = self._local_artifacts(run_id)
        if place is None:
            self.client.log_artifacts(run_id, str(out), OUTPUT)
            return self.output_folder(run_id)
        target = place / OUTPUT
        beside = place / f".{OUTPUT}"
        place.mkdir(parents=True, exist_ok=True)
        for leftover in (target, beside):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            shutil.move(out, beside)  # may cross file systems
        except OSError:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        beside.rename(target)
        return target

    def output_folder(self, run_id: str) -> Path:
        """Return a local folder with a run's output, each file checked by its digest.

        Raises:
            RunError: the artifacts are missing or damaged.
        """
        run = self.client.get_run(run_id)
        place = _local_place(run)
        folder = self.home / "cache" / run_id / OUTPUT if place is None else place / OUTPUT
        damage = _damage(run, folder)
        if damage is not None and place is None:
            with FileLock(self.locks / f"{run_id}.lock"), self.failures_in_words():
                # Another process may have fetched it meanwhile.
                damage = _damage(run, folder)
                if damage is not None:
                    self._download(run_id, folder)
                    damage = _damage(run, folder)
        if damage is not None:
            raise RunError(damage)
        return folder

    def read_artifact(self, run: Run, name: str) -> str:
        """Return the text of one artifact, without fetching others.

        Raises:
            RunError: it is missing.
        """
        return self.artifact(run, name).read_text(encoding="utf-8")

    def output_file(self, run: Run, name: str) -> Path:
        """Return a local copy of one file of a run's output, checked by its digest.

        Raises:
            RunError: it is missing or damaged.
        """
        place = f"{OUTPUT}/{name}"
        if name == MANIFEST:
            expected = run.data.tags.get(MANIFEST_TAG)
        else:
            expected = read_json(self.output_file(run, MANIFEST))["files"].get(name)
        file = self.artifact(run, place)
        if digest_file(file) != expected and _local_place(run) is None:
            self._fetch(run.info.run_id, place, file)  # the copy may have been damaged since
        if digest_file(file) != expected:
            raise RunError(f"{file} is not what was written.")
        return file

    def artifact(self, run: Run, name: str) -> Path:
        """Return a local copy of one artifact of a run.

        Raises:
            RunError: it is missing.
        """
        run_id, place = run.info.run_id, _local_place(run)
        if place is not None:
            file = place / name
        else:
            file = self.home / "cache" / "files" / run_id / name
            if not file.exists():
                self._fetch(run_id, name, file)
        if not file.is_file():
            raise RunError(f"The run {run_id} has lost its artifact {name}: {file} is missing.")
        return file

    def _fetch(self, run_id: str, name: str, file: Path) -> None:
        """Make a local copy of one artifact; it appears whole, in place of one that was there."""
        with self.failures_in_words():
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=file.parent) as beside:
                copy = self.client.download_artifacts(run_id, name, beside)
                Path(copy).replace(file)

    def local_file(self, run_id: str, name: str) -> Path | None:
        """Return where an artifact lies on this machine, or None if the store is elsewhere."""
        place = self._local_artifacts(run_id)
        return None if place is None else place / name

    def run_url(self, experiment_id: str, run_id: str) -> str:
        """Return the address of a run's page."""
        return f"{self.ui_url}/#/experiments/{experiment_id}/runs/{run_id}"

    def lock_tags(self, lock: str) -> dict[str, str]:
        """Return the tags by which a later start sees whether a run's process still lives."""
        return {LOCKS_TAG: self.locks_id, LOCK_TAG: lock}

    @contextmanager
    def no_pipeline_starts(self) -> Iterator[None]:
        """Keep other pipelines of this machine from starting meanwhile."""
        lock = FileLock(self.locks / "start.lock")
        try:
            lock.acquire(timeout=START_S)
        except Timeout:
            log.info("Waiting for textmill prune, which is removing results.")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def tidy(self) -> list[Run]:
        """Close the runs that killed processes of this home left RUNNING; return them."""
        closed: list[Run] = []
        condition = f"attributes.status='RUNNING' and tags.`{LOCKS_TAG}`='{self.locks_id}'"
        for run in self.search(condition):
            lock = FileLock(self.locks / run.data.tags[LOCK_TAG])
            try:
                with lock.acquire(timeout=0):
                    # Its process may have ended it properly since the search.
                    if self.client.get_run(run.info.run_id).info.status == "RUNNING":
                        self.end_run(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
                        log.info("Closed %s, which was killed.", run.info.run_name)
                        closed.append(run)
            except Timeout:
                continue
        return closed

    def _download(self, run_id: str, folder: Path) -> None:
        beside = folder.parent / "download"
        for leftover in (beside, folder):
            shutil.rmtree(leftover, ignore_errors=True)
        beside.mkdir(parents=True)
        self.client.download_artifacts(run_id, OUTPUT, str(beside))
        (beside / OUTPUT).rename(folder)

    def _local_artifacts(self, run_id: str) -> Path | None:
        return _local_place(self.client.get_run(run_id))


Dataset = tuple[str, str, str, str]
"""Name, place, digest, and what the data is for (such as "training")."""


def _local_place(run: Run) -> Path | None:
    """Return the folder of a run's artifacts, or None if the store is elsewhere."""
    uri = run.info.artifact_uri
    is_local = is_local_uri(uri)  # type: ignore[no-untyped-call]
    return Path(local_file_uri_to_path(uri)) if is_local else None  # type: ignore[no-untyped-call]


def _damage(run: Run, folder: Path) -> str | None:
    """Return what is wrong with a run's output in a folder, or None if it is what was written."""
    manifest = folder / MANIFEST
    if not manifest.exists():
        return f"{folder} is not whole: {MANIFEST} is missing."
    if digest_file(manifest) != run.data.tags.get(MANIFEST_TAG):
        return f"{manifest} is not what was written."
    expected, present = read_json(manifest)["files"], digest_folder(folder)
    for name in sorted(expected.keys() | present.keys()):
        if expected.get(name) != present.get(name):
            return f"{folder / name} is not what was written."
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def metric_name(name: str) -> str:
    """Return a name as MLflow accepts it: labels may hold any character, as in R&D or C++."""
    spelt = FOREIGN.sub(lambda match: f":{ord(match.group()):x}:", name)
    # A part of nothing, or of dots, would be taken for another place in the tree of names.
    parts = spelt.split("/")
    return "/".join(part if part.strip(".") else f":{part.replace('.', '2e:')}" for part in parts)
