"""A pipeline run: the parent in MLflow, and the tracked steps under it."""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import Timeout
from pydantic import BaseModel

from textmill import hardware
from textmill.config import CleanConfig, Config, TaskConfig, key_values
from textmill.errors import RunError, best_effort
from textmill.files import (
    MANIFEST,
    digest_file,
    digest_folder,
    digest_values,
    read_json,
    write_json,
)
from textmill.secrets import redact, redact_values
from textmill.stage_times import read_stage_times
from textmill.steps.graph import FINETUNE, PRETRAIN
from textmill.steps.key import describe_step, key_of, kind_of
from textmill.steps.prepared import PREPARED_TAG, cache_place, keep_prepared, prepared_key
from textmill.steps.slots import held_slot
from textmill.steps.sources import Source, data_digest
from textmill.steps.step import Step, edited_file
from textmill.steps.stopwatch import Stopwatch
from textmill.steps.worker import Job, Stopped, is_stopping, run_job, warm_up
from textmill.tracking import environment
from textmill.tracking.database.connection import PIPELINE_LOCK
from textmill.tracking.description import NOTE_TAG, describe
from textmill.tracking.experiment import CONFIG_TAG, PIPELINE_TAG, refuse_another
from textmill.tracking.metrics import plots
from textmill.tracking.metrics.follow import Follower, Progress
from textmill.tracking.metrics.system import watch_system
from textmill.tracking.models.logged import log_backbone, log_task_model
from textmill.tracking.results import Result, result_of, results_tags
from textmill.tracking.store import OUTPUT, Dataset, Store, StoreError, artifact_url
from textmill.tracking.tags import DATA_TAG, DIGEST_TAG, PLACES_TAG, THREADS_TAG
from textmill.tracking.verified import log_config, log_record
from textmill.training.metrics_file import truncate_damaged

NOTE = "run.json"
"""Beside work in progress: the run that it belongs to, and the digest of a manifest that waits."""

log = logging.getLogger(__name__)
_adding = threading.Lock()


@dataclass
class Pipeline:
    """A running pipeline: `run` computes a step or finds its result."""

    store: Store
    experiment_id: str
    run_id: str
    system_metrics: bool
    tags: Mapping[str, str]
    """Tags that the steps' runs share with the parent."""
    scope: str | None = None
    """None shares results with all pipelines; else they are shared under this name alone."""
    max_trainings: int | None = None
    """Trainings that run at once on this machine; None sets no limit."""
    prepared_gib: float = 0
    """Most disk space for prepared documents; 0 keeps and uses none."""
    cluster: str | None = None
    """Address of a Ray cluster for the workers of steps that have some."""
    compute: Callable[[Job, Callable[[], None]], None] | None = None
    """Computes a job elsewhere, as `run_job` does here; None: here."""
    sources: list[Source] = field(default_factory=list)
    """The raw files that the steps have read so far; one may stand here twice."""
    results: dict[str, Result] = field(default_factory=dict)
    """What the steps gave so far, by label."""
    pages: list[str] = field(default_factory=list)
    """Files among its artifacts that people read."""
    scores: str = ""
    """The table of scores, in Markdown."""
    champions: list[str] = field(default_factory=list)
    """What came of its models, a line each."""

    @property
    def url(self) -> str:
        """The page of the parent run."""
        return self.store.run_url(self.experiment_id, self.run_id)

    def run(
        self,
        step: Step,
        config: BaseModel,
        inputs: Mapping[str, Result] | None = None,
        sources: tuple[Source, ...] = (),
        task: TaskConfig | None = None,
        threads: int | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        is_part: bool = True,
    ) -> Result:
        """Return the result of a step: found by its key, or computed now.

        Args:
            step: what to do.
            config: the step's own configuration.
            inputs: results of earlier steps, by the names that the step knows them by.
            sources: raw files that the configuration names.
            task: the task that the step belongs to, if any.
            threads: processor threads for the step; None for all.
            on_progress: called as a training step goes on.
            is_part: False for what only serves a comparison: the parent does not name the result.

        Raises:
            InputError: the step could not use its input.
            RunError: the step failed or was stopped, or the tracking store failed.
        """
        inputs = inputs or {}
        label = step.label(task.name if task else None)
        digests = {name: result.digest for name, result in inputs.items()}
        digests |= {f"source:{source.name}": source.digest for source in sources}
        description = describe_step(step, config, digests)
        key = key_of(description)
        attempt = _Attempt(self, step, config, inputs, sources, task, label, description, key)
        lock = self.store.lock(f"{attempt.name}.lock")
        with self.store.as_store_errors():
            try:
                lock.acquire(timeout=0)
            except Timeout:
                log.info("Another run is computing %s: waiting for its result.", label)
                try:
                    lock.acquire(cancel_check=is_stopping)
                except Timeout:
                    raise Stopped(f"{label} was not started: the run is being stopped.") from None
        try:
            result = attempt.find() or attempt.compute(threads or hardware.n_cores(), on_progress)
        finally:
            lock.release()
        if is_part:
            self.sources.extend(sources)
            self.store.log_datasets(self.run_id, map(_raw, sources))
            with _adding:
                # Another dict: who reads this one is not to see it change.
                self.results = {**self.results, label: result}
                runs = {name: made.run_id for name, made in self.results.items()}
                self.store.set_tags(self.run_id, results_tags(runs))
        return result

    def record_scores(self, metrics: Mapping[str, float], table: str) -> None:
        """Put the scores on the parent run: as metrics, and as a table in its description.

        Raises:
            StoreError: the tracking store does not take them.
        """
        self.store.log_metrics(self.run_id, metrics)
        self.store.client.log_text(self.run_id, table, "scores.md")
        self.scores = table
        self.describe("RUNNING")

    def describe(self, status: str, failure: str | None = None) -> None:
        """Set the description of the parent run; the arguments are those of `describe`.

        Raises:
            StoreError: the tracking store does not take it.
        """
        # Without the server's address, which may be another one tomorrow.
        urls = {
            name: "#" + artifact_url(self.url, name).partition("#")[2]
            for name in dict.fromkeys(self.pages)
        }
        text = describe(status, failure, urls, self.scores, self.champions, self.results.values())
        self.store.set_tags(self.run_id, {NOTE_TAG: text})


@dataclass
class _Attempt:
    """One step of a pipeline, from its key to its published result."""

    pipeline: Pipeline
    step: Step
    config: BaseModel
    inputs: Mapping[str, Result]
    sources: tuple[Source, ...]
    task: TaskConfig | None
    label: str
    description: dict[str, Any]
    key: str

    def __post_init__(self) -> None:
        self.store = self.pipeline.store
        # By what others find the result, its lock and its work in progress.
        self.name = f"{self.key}-{self.pipeline.scope}" if self.pipeline.scope else self.key
        self.folder = self.store.wip / self.name
        self.out = self.folder / "out"
        self.work = self.folder / "work"
        self.noted: dict[str, Any] = {}
        self.prepared: str | None = None
        if self.step.has_cache and self.pipeline.prepared_gib:
            assert isinstance(self.config, CleanConfig)
            self.prepared = prepared_key(self.config, self.sources)

    def find(self) -> Result | None:
        """Return the result of a finished run with this key, if there is a whole one."""
        condition = f"attributes.status='FINISHED' and tags.`textmill.key`='{self.name}'"
        for run in self.store.search(condition):
            try:
                folder = self.store.output_folder(run.info.run_id)
                return result_of(self.store, run, folder, self.label, is_reused=True)
            except RunError as error:
                log.warning(
                    "The result of %s cannot be used, it is computed again: %s", self.label, error
                )
        return None

    def compute(self, threads: int, on_progress: Callable[[Progress], None]) -> Result:
        """Compute the step in a process of its own and publish its output folder."""
        run_id = self._take_up_or_start(threads)
        store = self.store
        follower = Follower(store, run_id, self.work / "metrics.jsonl", on_progress)
        status = "KILLED"  # what becomes of it when a signal ends this process
        failure: str | None = None
        try:
            with store.as_store_errors():
                truncate_damaged(self.work)
                self._describe(run_id)
                folder = self._published(run_id)
                if folder is None:
                    if not self._is_computed():
                        with watch_system(follower, self.pipeline.system_metrics):
                            self._fill(run_id, threads, follower)
                    follower.finish()
                    self._record(run_id, follower)
                    # After the rest, as it moves the output away: what fails before is made good
                    # next time.
                    folder = store.publish(run_id, self.out)
                store.end_run(run_id, "FINISHED")
            status = "FINISHED"
        except Stopped:
            raise
        except Exception as error:
            status, failure = "FAILED", redact(str(error))
            if isinstance(error, OSError | StoreError):
                kept = f" Its result waits in {self.out}." if self._is_computed() else ""
                raise RunError(f"{self.label} could not be finished: {error}{kept}") from error
            raise
        finally:
            if status != "FINISHED":
                if not self._is_computed():
                    shutil.rmtree(self.out, ignore_errors=True)
                self._keep_log(run_id)
                _end_run(store, run_id, status, failure)
        shutil.rmtree(self.folder, ignore_errors=True)
        run = store.client.get_run(run_id)
        return result_of(store, run, folder, self.label, is_reused=False)

    def _published(self, run_id: str) -> Path | None:
        """Return the output of a run of which nothing but the end could not be recorded."""
        place = self.store.local_file(run_id, OUTPUT)
        if place is None or not place.exists():
            return None  # what is published in a store elsewhere waits here still
        try:
            return self.store.output_folder(run_id)
        except StoreError:
            raise
        except RunError:
            return None

    def _is_computed(self) -> bool:
        """Return whether the output folder is whole: it waits there if publishing it failed."""
        manifest = self.out / MANIFEST
        try:
            if digest_file(manifest) != self.noted.get("manifest"):
                return False
            files: dict[str, str] = read_json(manifest)["files"]
            return digest_folder(self.out) == files
        except OSError:
            return False

    def _read_note(self) -> dict[str, Any]:
        """Return what is noted of the work in progress; nothing where that is damaged."""
        note = self.folder / NOTE
        try:
            values = read_json(note) if note.exists() else {}
        except (OSError, RunError) as error:
            log.warning("%s begins a new run: %s cannot be read (%s).", self.label, note, error)
            return {}
        return values if isinstance(values, dict) else {}

    def _fill(self, run_id: str, threads: int, follower: Follower) -> None:
        """Compute the output folder, and complete it with its manifest."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        self.work.mkdir(exist_ok=True)
        warm_up()
        folders = {name: result.folder for name, result in self.inputs.items()}
        began_s = time.time()
        cache = None
        if self.prepared:
            cache = cache_place(
                self.store.home, self.prepared, self.work, self.pipeline.prepared_gib
            )
        cluster = self.pipeline.cluster
        job = Job(
            self.step,
            self.config,
            folders,
            self.out,
            self.work,
            threads,
            cluster,
            cache,
            self.store.permissions,
        )
        shutil.rmtree(job.stage_times, ignore_errors=True)  # of an attempt that was cut off
        seconds = self._run(job, follower)
        self._check_unchanged()
        if cache is not None:
            keep_prepared(cache, began_s)
        inputs = {
            name: {"run_id": result.run_id, "key": result.key, "digest": result.digest}
            for name, result in self.inputs.items()
        }
        files = digest_folder(self.out)
        manifest = self.description | {
            "key": self.key,
            "run_id": run_id,
            "inputs": inputs,
            "sources": {
                s.name: {
                    "place": s.place,
                    "digest": s.digest,
                    "context": s.context,
                    "files": dict(s.files),
                }
                for s in self.sources
            },
            "files": files,
            "digest": digest_values(files),
            "seconds": seconds,
            "stages": read_stage_times(job.stage_times),
            "time_ms": int(time.time() * 1000),
        }
        write_json(self.out / MANIFEST, manifest)
        # What waits here for a store that fails is to be the same when it is published.
        self.noted = {"run_id": run_id, "manifest": digest_file(self.out / MANIFEST)}
        write_json(self.folder / NOTE, self.noted)

    def _run(self, job: Job, follower: Follower) -> float:
        """Compute the step as soon as there is a place; return the seconds that this took."""
        is_training = self.step.is_training
        most = self.pipeline.max_trainings if is_training else None
        with held_slot(self.store.locks, most, self.label):
            if is_training:  # it may have waited for hours, and takes as many
                self._check_unchanged()
            stopwatch = Stopwatch(self.work / "seconds" if is_training else None)

            def watch() -> None:
                follower.poll()
                stopwatch.tick()

            try:
                (self.pipeline.compute or run_job)(job, watch)
            finally:
                stopwatch.save()
            return stopwatch.seconds()

    def _check_unchanged(self) -> None:
        """Raise InputError unless code and raw files are those that the key was made from.

        Raises:
            InputError: raw files have changed.
            RunError: code has been edited.
        """
        if file := edited_file(self.step, kind_of(self.description["config"])):
            raise RunError(f"{file} was edited after the run of {self.label} began: run again.")
        for source in self.sources:
            source.check()

    def _take_up_or_start(self, threads: int) -> str:
        """Return the run to compute in: the interrupted one of this key, or else a new one."""
        store, pipeline = self.store, self.pipeline
        tags = {
            **pipeline.tags,
            **store.lock_tags(f"{self.name}.lock"),
            "mlflow.parentRunId": pipeline.run_id,
            "textmill.kind": "step",
            "textmill.step": self.step.name,
            "textmill.key": self.name,
            # No part of the key, but sums of floats may round differently with another number.
            THREADS_TAG: str(threads),
        }
        if self.prepared:
            tags[PREPARED_TAG] = self.prepared
        if self.task:
            tags["textmill.task"] = self.task.name
        self.noted = self._read_note()
        if isinstance(self.noted.get("run_id"), str):
            try:
                run = store.client.get_run(self.noted["run_id"])
            except StoreError:
                run = None  # deleted since, or in another store
            is_ours = run is not None and run.data.tags.get("textmill.key") == self.name
            if run is not None and is_ours and run.info.lifecycle_stage == "active":
                run_id = str(run.info.run_id)
                store.set_tags(run_id, tags)
                if "textmill.failure" in run.data.tags:
                    store.client.delete_tag(run_id, "textmill.failure")
                store.client.update_run(run_id, "RUNNING")
                what = "failed" if run.info.status == "FAILED" else "was interrupted"
                log.info("Going on with %s, which %s.", self.label, what)
                return run_id
        return store.start_run(pipeline.experiment_id, self.label, tags)

    def _describe(self, run_id: str) -> None:
        """Note the run in the work folder, and record in it what is computed from what."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.noted |= {"run_id": run_id}
        write_json(self.folder / NOTE, self.noted)
        # Once more for a run that goes on: the interruption may have come before.
        self.store.log_params(run_id, key_values(self.config))
        self.store.log_datasets(run_id, self._datasets())

    def _datasets(self) -> list[Dataset]:
        raw = [_raw(source) for source in self.sources]
        made = [(n, str(r.folder), r.digest, self.step.name) for n, r in self.inputs.items()]
        return raw + made

    def _record(self, run_id: str, follower: Follower) -> None:
        """Log the numbers and tags of the output, plots and, of a training, the model.

        All of it is the same when it is logged again, because an earlier run could not publish.
        """
        store, made = self.store, read_json(self.out / MANIFEST)
        numbers, tags = {}, {}
        if (self.out / "metrics.json").exists():
            numbers = read_json(self.out / "metrics.json")
        if (self.out / "tags.json").exists():
            tags = read_json(self.out / "tags.json")
        stages = made.get("stages", {})
        times = {"seconds": made["seconds"]}
        times |= {f"seconds/{name}": took["seconds"] for name, took in stages.items()}
        store.log_metrics(run_id, numbers | times, made["time_ms"])
        own = {
            PLACES_TAG: "\n".join(source.place for source in self.sources),
            DIGEST_TAG: made["digest"],
        }
        store.set_tags(run_id, tags | own)
        self._keep_log(run_id)
        if follower.points:
            with best_effort("the picture of the losses"), store.as_store_errors():
                store.client.log_figure(run_id, plots.loss_curve(follower.points), "plots/loss.png")
        if self.step is FINETUNE and self.task:
            log_task_model(store, run_id, self.task, self.out)
        if self.step is PRETRAIN:
            log_backbone(store, run_id, self.out)

    def _keep_log(self, run_id: str) -> None:
        for name in ("worker.log", "metrics.jsonl"):
            file = self.work / name
            if file.exists() and file.stat().st_size:
                # A store that does not take it has failed already, or fails at what comes next.
                with suppress(OSError, StoreError):
                    self.store.client.log_artifact(run_id, str(file), "log")


def _raw(source: Source) -> Dataset:
    return source.name, source.place, source.digest, source.context


@contextmanager
def open_pipeline(
    name: str,
    config: Config,
    config_name: str,
    tags: Mapping[str, str],
    scope: str | None = None,
) -> Iterator[Pipeline]:
    """Yield a pipeline with a new parent run, which is ended with the right status.

    Args:
        name: what runs, such as "pipeline" or "finetune".
        config: the whole configuration.
        config_name: the name or file that it was composed from.
        tags: further tags of the parent and its steps' runs, such as the Prefect flow run's id.
        scope: a name under which alone results are looked up and kept, so that no other pipeline
            finds them, nor this one those of others; None shares all.

    Raises:
        InputError: the experiment holds another pipeline.
        RunError: the tracking store does not answer, or its disk is full.
    """
    store = Store(config.tracking)
    store.set_room_aside()
    experiment_id = store.experiment(config.experiment)
    if scope is None:  # what only repeats another run mixes with none
        refuse_another(store, experiment_id, config, config_name)
    shared = {
        CONFIG_TAG: config_name,
        environment.MACHINE_TAG: json.dumps(hardware.describe()),
        **tags,
    }
    if commit := environment.git_commit():
        shared["mlflow.source.git.commit"] = commit
    lock_name = f"{PIPELINE_LOCK}{time.time_ns()}.lock"
    with store.as_store_errors(), store.lock(lock_name):
        tags = {**shared, **store.lock_tags(lock_name), "textmill.kind": "pipeline"}
        label = f"{name} {time.strftime('%Y-%m-%d %H:%M:%S')}"
        with store.no_pipeline_starts():
            run_id = store.start_run(experiment_id, label, {**tags, PIPELINE_TAG: name})
        pipeline = Pipeline(
            store,
            experiment_id,
            run_id,
            config.tracking.system_metrics,
            shared,
            scope,
            config.cluster.max_trainings,
            # What repeats a run is to find out whether it comes out the same.
            config.tracking.prepared_gib if scope is None else 0,
        )
        status = "KILLED"  # what becomes of it when a signal ends this process
        failure: str | None = None
        try:
            values = redact_values(config.model_dump(mode="json"))
            store.log_params(run_id, key_values(config))
            log_config(store, run_id, values)
            log_record(store, run_id, "environment.txt", environment.packages())
            yield pipeline
            store.set_tags(run_id, {DATA_TAG: data_digest(pipeline.sources)})
            status = "FINISHED"
        except Stopped:
            raise
        except Exception as error:
            status, failure = "FAILED", redact(str(error))
            raise
        finally:
            try:
                pipeline.describe(status, failure)
            except StoreError as problem:
                log.warning("The run %s could not be described. %s", run_id, problem)
            _end_run(store, run_id, status, failure)


def _end_run(store: Store, run_id: str, status: str, failure: str | None) -> None:
    """Set a run's status; a run that the store leaves open is closed by the next start."""
    try:
        store.end_run(run_id, status, failure)
    except StoreError as problem:
        log.warning("The run %s could not be ended properly. %s", run_id, problem)
