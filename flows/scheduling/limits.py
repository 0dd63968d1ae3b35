"""Locks of retraining: held by one process, and released even if it is killed."""

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
"""Time after which Prefect releases the concurrency slot of a crashed machine."""
ACQUIRE_TIMEOUT_S = 2


@contextmanager
def exclusive_retraining(store: Store, config: Config) -> Iterator[str | None]:
    """Yield None while holding the experiment's retraining lock, or the reason why it is not free.

    The lock on this machine is released when its process exits; a slot of a Prefect concurrency
    limit, which is shared between machines, is a lease that the holder renews.

    Raises:
        RunError: Prefect's server has no such limit, or does not respond.
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
                        timeout_seconds=ACQUIRE_TIMEOUT_S,
                        lease_duration=LEASE_S,
                        # An outage of Prefect's server must not abort hours of work.
                        raise_on_lease_renewal_failure=False,
                    )
                )
            except ConcurrencySlotAcquisitionError as error:
                if error.__cause__ is not None:  # the request itself failed
                    raise RunError(
                        f"Prefect's server failed to provide a slot of the concurrency limit "
                        f"{limit!r} ({_reason(error.__cause__)}): nothing was started, and the "
                        "next scheduled run tries again."
                    ) from error
                raise RunError(
                    f"Prefect's server has no concurrency limit {limit!r}: create it with "
                    f"prefect gcl create {limit} --limit 1, or remove "
                    "retrain.concurrency_limit."
                ) from None
            except TimeoutError:
                obstacle = f"all slots of the concurrency limit {limit!r} are in use"
        yield obstacle


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
