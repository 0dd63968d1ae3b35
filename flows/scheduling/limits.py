"""Locks of retraining: held by one process, and given back even when it is killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from filelock import Timeout
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency

from textmill.config import Config
from textmill.errors import RunError
from textmill.files import digest_values
from textmill.tracking.store import Store

LEASE_S = 120
"""Time after which Prefect gives the place of a dead machine to others."""
PATIENCE_S = 2


@contextmanager
def alone(store: Store, config: Config) -> Iterator[str | None]:
    """Yield None while no other process may retrain the experiment, or else what stands against it.

    The lock of this machine ends with the process that holds it; a place of a Prefect server's
    concurrency limit, which reaches other machines, is a lease that the holder renews.

    Raises:
        RunError: Prefect's server knows no such limit, or does not answer.
    """
    limit = config.retrain.concurrency_limit
    obstacle = None
    with ExitStack() as stack:
        lock = store.lock(f"retrain-{digest_values([config.experiment])[:16]}.lock")
        try:
            stack.enter_context(lock.acquire(timeout=0))
        except Timeout:
            obstacle = f"another process is retraining the experiment {config.experiment!r}"
        if obstacle is None and limit is not None:
            try:
                stack.enter_context(
                    concurrency(
                        limit,
                        strict=True,
                        timeout_seconds=PATIENCE_S,
                        lease_duration=LEASE_S,
                        # An outage of Prefect's server is no reason to lose hours of work.
                        raise_on_lease_renewal_failure=False,
                    )
                )
            except ConcurrencySlotAcquisitionError as error:
                if error.__cause__ is not None:  # the server was asked, and gave no answer
                    raise RunError(
                        f"Prefect's server could not be asked for a place of the concurrency limit "
                        f"{limit!r} ({_reason(error.__cause__)}): nothing was started, and the "
                        "next tick asks again."
                    ) from error
                raise RunError(
                    f"Prefect's server has no concurrency limit {limit!r}: make it with "
                    f"prefect gcl create {limit} --limit 1, or leave out "
                    "retrain.concurrency_limit."
                ) from None
            except TimeoutError:
                obstacle = f"all places of the concurrency limit {limit!r} are taken"
        yield obstacle


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
