"""One step of a pipeline: reused by its key, or computed and published."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from textmill.config import CleanConfig
from textmill.corpus.task_texts import TEST
from textmill.errors import RunError
from textmill.files import digest_folder, digest_values
from textmill.secrets import redact
from textmill.stage_times import read_stage_times
from textmill.steps.document_cache import PREPARED_TAG, cache_place, keep_prepared, prepared_key
from textmill.steps.process import Job, Pruned, Stopped, run_job, warm_up
from textmill.steps.slots import held_slot
from textmill.steps.stopwatch import Stopwatch
from textmill.tracking import artifacts
from textmill.tracking.computing.parent import ParentRun
from textmill.tracking.computing.request import Request
from textmill.tracking.computing.step_run import (
    KEY_TAG,
    describe_run,
    log_work_files,
    record_output,
    record_pruned,
    resume_run,
)
from textmill.tracking.computing.work_folder import WorkFolder
from textmill.tracking.liveness import end_run, lock_tags
from textmill.tracking.metrics.follow import Follower, Progress
from textmill.tracking.metrics.system import log_system_metrics
from textmill.tracking.results import Result, result_of
from textmill.tracking.store import StoreError
from textmill.tracking.tags import KIND_TAG, PARENT_TAG, STEP_TAG, THREADS_TAG, TRIAL_TAG
from textmill.training.metrics_file import truncate_damaged

SECONDS = "seconds"
"""File of the running time of a training, in its work folder."""

log = logging.getLogger(__name__)


class Attempt:
    """One step of a pipeline, from its key to its published result.

    Args:
        parent: the pipeline's run.
        request: the step with its configuration and inputs.
    """

    def __init__(self, parent: ParentRun, request: Request) -> None:
        self.parent = parent
        self.store = parent.store
        self.request = request
        self.name = f"{request.key}-{parent.scope}" if parent.scope else request.key
        """Name of the result, its lock and its work folder."""
        self.prepared: str | None = None
        if request.step.has_cache and parent.prepared_gib:
            assert isinstance(request.config, CleanConfig)
            self.prepared = prepared_key(request.config, _test_texts(request))

    @property
    def lock(self) -> str:
        """Name of the lock that is held while the result is computed."""
        return f"{self.name}.lock"

    def find(self) -> Result | None:
        """Return an intact result of a finished run with this key, or None."""
        label = self.request.label
        condition = f"attributes.status='FINISHED' and tags.`{KEY_TAG}`='{self.name}'"
        for run in self.store.search(condition):
            try:
                folder = artifacts.output_folder(self.store, run)
                if TRIAL_TAG in run.data.tags and TRIAL_TAG not in self.parent.tags:
                    self.store.client.delete_tag(run.info.run_id, TRIAL_TAG)
                return result_of(self.store, run, folder, label, is_reused=True)
            except RunError as error:
                log.warning("The result of %s cannot be reused: %s", label, error)
        return None

    def compute(self, threads: int, on_progress: Callable[[Progress], None]) -> Result:
        """Compute the step in its own process and publish its output folder.

        Args:
            threads: CPU threads for the step.
            on_progress: called with the progress of a training step, which it may prune.

        Raises:
            InputError: the input of the step is invalid.
            RunError: the step failed or was stopped, or the tracking store failed.
            Pruned: by on_progress; nothing is left to resume.
        """
        store, request = self.store, self.request
        folder = WorkFolder(store.wip / self.name, request.label)
        run_id = self._resume_or_start(folder, threads)
        follower = Follower(store, run_id, folder.work / "metrics.jsonl", on_progress)
        status = "KILLED"  # if a signal stops this process
        failure: str | None = None
        is_pruned = False
        try:
            with store.as_store_errors():
                truncate_damaged(folder.work)
                folder.set_run(run_id)
                describe_run(store, run_id, request)
                published = self._published(run_id)
                if published is None:
                    if not folder.is_complete():
                        with log_system_metrics(follower, self.parent.system_metrics):
                            self._compute_output(folder, run_id, threads, follower)
                    follower.finish()
                    filters = self.parent.write_filters
                    record_output(store, run_id, request, folder.out, follower.points, filters)
                    log_work_files(store, run_id, folder.work)
                    # Last, as it moves the output: the next attempt repeats what failed before.
                    published = artifacts.publish(store, run_id, folder.out)
                store.end_run(run_id, "FINISHED")
            status = "FINISHED"
        except Stopped:
            raise
        except Pruned:
            is_pruned = True
            record_pruned(store, run_id, follower, Stopwatch(folder.work / SECONDS).seconds())
            raise
        except Exception as error:
            status, failure = "FAILED", redact(str(error))
            if isinstance(error, OSError | StoreError):
                kept = f" Its result is kept in {folder.out}." if folder.is_complete() else ""
                raise RunError(f"{request.label} could not be finished: {error}{kept}") from error
            raise
        finally:
            if status != "FINISHED":
                if not folder.is_complete():
                    folder.discard_output()
                log_work_files(store, run_id, folder.work)
                end_run(store, run_id, status, failure)
            if is_pruned:
                folder.remove()
        folder.remove()
        run = store.client.get_run(run_id)
        return result_of(store, run, published, request.label, is_reused=False)

    def _published(self, run_id: str) -> Path | None:
        """Return the output that an earlier attempt published, if only ending its run failed."""
        place = artifacts.local_file(self.store, run_id, artifacts.OUTPUT)
        if place is None or not place.exists():
            return None  # remote: the output is still in the work folder
        try:
            return artifacts.output_folder(self.store, run_id)
        except StoreError:
            raise
        except RunError:
            return None

    def _compute_output(
        self, folder: WorkFolder, run_id: str, threads: int, follower: Follower
    ) -> None:
        """Compute the output folder and write its manifest."""
        store, request = self.store, self.request
        folder.begin_output()
        warm_up()
        began_s = time.time()
        cache = None
        if self.prepared:
            cache = cache_place(store.home, self.prepared, folder.work, self.parent.prepared_gib)
        job = Job(
            request.step,
            request.config,
            {name: result.folder for name, result in request.inputs.items()},
            folder.out,
            folder.work,
            threads,
            self.parent.cluster,
            cache,
            store.permissions,
        )
        shutil.rmtree(job.stage_times, ignore_errors=True)  # of an interrupted attempt
        seconds = self._run(job, follower)
        request.check_unchanged()
        if cache is not None:
            keep_prepared(cache, began_s)
        files = digest_folder(folder.out)
        outcome = {
            "run_id": run_id,
            "files": files,
            "digest": digest_values(files),
            "seconds": seconds,
            "stages": read_stage_times(job.stage_times),
            "time_ms": int(time.time() * 1000),
        }
        folder.complete_output(request.manifest() | outcome)

    def _run(self, job: Job, follower: Follower) -> float:
        """Compute the step once a slot is free; return its duration in seconds."""
        is_training = job.step.is_training
        max_at_once = self.parent.max_trainings if is_training else None
        with held_slot(self.store.locks, max_at_once, self.request.label):
            if is_training:  # it may have waited for hours, and may run for hours
                self.request.check_unchanged()
            stopwatch = Stopwatch(job.work / SECONDS if is_training else None)

            def watch() -> None:
                follower.poll()
                stopwatch.tick()

            try:
                (self.parent.compute or run_job)(job, watch)
            finally:
                stopwatch.save()
            return stopwatch.seconds()

    def _resume_or_start(self, folder: WorkFolder, threads: int) -> str:
        """Return the run to compute in: an interrupted one with this key, or a new one."""
        parent, request = self.parent, self.request
        tags = {
            **parent.tags,
            **lock_tags(self.store, self.lock),
            PARENT_TAG: parent.run_id,
            KIND_TAG: "step",
            STEP_TAG: request.step.name,
            KEY_TAG: self.name,
            # Not in the key, although floating-point sums may round differently.
            THREADS_TAG: str(threads),
        }
        if self.prepared:
            tags[PREPARED_TAG] = self.prepared
        if request.task:
            tags["textmill.task"] = request.task.name
        resumed = resume_run(self.store, folder.run_id, tags, request.label)
        return resumed or self.store.start_run(parent.experiment_id, request.label, tags)


def _test_texts(request: Request) -> dict[str, str]:
    """Return the digests of the files of a request's inputs that have texts of tests."""
    return {
        name: digest
        for result in request.inputs.values()
        for name, digest in result.manifest["files"].items()
        if name.startswith(f"{TEST}/")
    }
