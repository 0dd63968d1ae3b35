"""Where steps compute: here, or on a Ray cluster through prefect-ray."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from textmill.config import ClusterConfig
from textmill.errors import InputError, RunError
from textmill.tracking.worker import Job, Stopped, is_stopping, run_job

POLL_S = 0.25


@task(name="compute", cache_policy=NO_CACHE, persist_result=False)
def compute(job: Job, folder: Path) -> Exception | None:
    """Compute a step on the machine of a Ray worker; return why it failed, if it did.

    Args:
        job: the step.
        folder: that its paths are relative to.
    """
    try:
        with chdir(folder):
            run_job(job, lambda: None)
    except (InputError, RunError) as error:
        return error
    return None


@contextmanager
def cluster(
    config: ClusterConfig,
) -> Iterator[tuple[str | None, Callable[[Job, Callable[[], None]], None] | None]]:
    """Yield the address of the cluster, and what computes a job there; None and None without one.

    Raises:
        InputError: prefect-ray is not installed.
        RunError: the cluster cannot be reached.
    """
    if config.kind == "local":
        yield None, None
        return
    try:
        import ray
        from prefect_ray import RayTaskRunner
    except ImportError:
        raise InputError(
            "cluster.kind=ray needs Ray and prefect-ray, which are not installed: pip install "
            "textmill[cluster], or set cluster=local."
        ) from None
    runner = RayTaskRunner(config.address, {"log_to_driver": False})
    try:
        runner.__enter__()
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise RunError(
            f"the Ray cluster at {config.address} cannot be reached ({error}): check "
            "cluster.address."
        ) from None
    try:
        yield ray.get_runtime_context().gcs_address, partial(_compute, ray, runner)
    finally:
        runner.__exit__(None, None, None)


def _compute(ray: Any, runner: Any, job: Job, watch: Callable[[], None]) -> None:
    """Compute a job, on the cluster if it is the training or the measuring of a model.

    The others are short, or have workers on the cluster of their own.
    """
    if not job.step.needs_torch:
        run_job(job, watch)
        return
    from prefect_ray.context import remote_options

    parameters = {"job": job, "folder": Path.cwd()}

    def submit() -> Any:
        with remote_options(num_cpus=job.threads, max_retries=0):
            return runner.submit(compute.with_options(name=job.step.name), parameters)

    # In a context of its own: that of the task around it, with all that is open there, would be
    # sent along.
    future = contextvars.Context().run(submit)
    reference = future.wrapped_future
    is_stopped = False
    while not ray.wait([reference], timeout=POLL_S)[0]:
        watch()
        if is_stopping() and not is_stopped:
            ray.cancel(reference)  # as Ctrl-C does: what computes the job ends its process
            is_stopped = True
    watch()
    if is_stopped:
        raise Stopped(f"{job.step.name} was stopped; running it again goes on from what is saved.")
    found = future.result(raise_on_failure=False)
    if isinstance(found, InputError | RunError):
        raise found
    if isinstance(found, Exception):
        raise RunError(f"{job.step.name} failed on the cluster: {found}")
