"""Execution of steps on this machine, or on a Ray cluster through prefect-ray."""

from __future__ import annotations

import contextvars
import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prefect import task
from prefect.cache_policies import NO_CACHE

from textmill.config import ClusterConfig, PretrainConfig
from textmill.errors import InputError, RunError
from textmill.steps.process import Job, Stopped, is_stopping, run_job, warm_up

POLL_S = 0.25
CONNECT_S = 5.0
"""Timeout for connecting to the head of a cluster; Ray itself would try for minutes."""


@task(name="compute", cache_policy=NO_CACHE, persist_result=False)
def compute(job: Job, folder: Path) -> Exception | None:
    """Compute a step on the machine of a Ray worker; return its error, if any.

    Args:
        job: the step.
        folder: the folder of its relative paths.
    """
    warm_up()
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
    """Yield the address of the cluster and a function that computes a job there; or None, None.

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
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = config.address.get_secret_value() if config.address else None
    if address is None:
        quiet["include_dashboard"] = False
    runner = RayTaskRunner(address, quiet)
    try:
        if address is not None:
            _check_reachable(address)
        runner.__enter__()
    except (OSError, RuntimeError, ValueError) as error:
        if address is None:
            raise RunError(f"Ray cannot be started on this machine: {error}") from None
        raise RunError(
            f"the Ray cluster at {config.address} cannot be reached ({error}): check "
            "cluster.address."
        ) from None
    try:
        yield ray.get_runtime_context().gcs_address, partial(_compute, ray, runner)
    finally:
        runner.__exit__(None, None, None)


def _check_reachable(address: str) -> None:
    """Raise OSError unless a server listens at HOST:PORT, with or without ray://.

    Raises:
        OSError, ValueError: no server listens there, or the address is invalid.
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.hostname is None or parts.port is None:
        raise ValueError("it is not HOST:PORT")
    socket.create_connection((parts.hostname, parts.port), CONNECT_S).close()


def _compute(ray: Any, runner: Any, job: Job, watch: Callable[[], None]) -> None:
    """Compute a job, on the cluster if it trains or evaluates a model.

    Other steps are short, or have their own workers on the cluster.

    Raises:
        InputError: no machine of the cluster has enough GPUs; or as `run_job` does.
        RunError, Stopped: as `run_job` does.
    """
    if not job.step.needs_torch:
        run_job(job, watch)
        return
    from prefect_ray.context import remote_options

    needs = _needs(job, [node["Resources"] for node in ray.nodes() if node["Alive"]])
    remote_job = replace(job, threads=max(1, needs["num_cpus"]))
    parameters = {"job": remote_job, "folder": Path.cwd()}

    def submit() -> Any:
        with remote_options(**needs, max_retries=0):
            return runner.submit(compute.with_options(name=job.step.name), parameters)

    # In an empty context: otherwise the enclosing task's context would be serialized as well.
    future = contextvars.Context().run(submit)
    try:
        found = _wait(ray, future, job, watch)
    except ray.exceptions.RayError as error:
        raise RunError(
            f"The worker of {job.step.name} on the cluster died, usually because it ran out of "
            f"memory. Run again to resume. ({error})"
        ) from None
    if isinstance(found, InputError | RunError):
        raise found
    if isinstance(found, Exception):
        raise RunError(f"{job.step.name} failed on the cluster: {found}")


def _wait(ray: Any, future: Any, job: Job, watch: Callable[[], None]) -> Any:
    """Return the result of a job; cancel it if this process stops waiting."""
    reference = future.wrapped_future
    is_stopped = False
    try:
        while not ray.wait([reference], timeout=POLL_S)[0]:
            watch()
            if is_stopping() and not is_stopped:
                ray.cancel(reference)  # interrupts the worker, which stops the job's process
                is_stopped = True
        watch()
    except BaseException:
        ray.cancel(reference)
        raise
    if is_stopped:
        raise Stopped(f"{job.step.name} was stopped; run again to resume from its last checkpoint.")
    return future.result(raise_on_failure=False)


def _needs(job: Job, machines: Sequence[Mapping[str, float]]) -> dict[str, int]:
    """Return the CPUs and GPUs of a job, at most those of one machine: Ray would wait for more."""
    settings = (job.config, *(value for _, value in job.config))
    n_gpus = sum(
        one.devices if isinstance(one, PretrainConfig) else 1
        for one in settings
        if getattr(one, "accelerator", None) == "cuda"
    )
    suitable = [machine for machine in machines if machine.get("GPU", 0) >= n_gpus]
    if not suitable:
        max_gpus = max((int(machine.get("GPU", 0)) for machine in machines), default=0)
        raise InputError(
            f"{job.step.name} needs {n_gpus} GPUs, and no machine of the Ray cluster has more than "
            f"{max_gpus}: set accelerator=cpu, or fewer devices."
        )
    n_cpus = max(int(machine.get("CPU", 0)) for machine in suitable)
    return {"num_cpus": min(job.threads, n_cpus), "num_gpus": n_gpus}
