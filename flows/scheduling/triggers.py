"""When to retrain: what counts as an event, and whether it was dealt with already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from textmill.errors import listed
from textmill.files import digest_values
from textmill.tracking.events import PastRun

TRIGGERS = ("schedule", "data", "drift")


@dataclass(frozen=True)
class Decision:
    """What a trigger says."""

    event: str | None
    """What to retrain for, the same whenever it is asked again; None if nothing has happened."""
    reason: str


def at_tick(tick: datetime) -> Decision:
    """Return the decision of the schedule: always, once for a tick, whatever the time zone."""
    moment = tick.astimezone(UTC)
    return Decision(f"schedule-{moment:%Y%m%dT%H%M%SZ}", f"the tick of {moment:%Y-%m-%d %H:%M} UTC")


def at_data(digest: str, last: PastRun | None) -> Decision:
    """Return whether the raw files differ from those of the last finished run.

    The run is part of the event, so that data that come back to an earlier state are a new one.
    """
    if last is None:
        return Decision(f"data-{digest[:32]}-first", "no run has finished yet")
    if last.data == digest:
        return Decision(None, f"the data are those of the last finished run, {last.url}")
    event = f"data-{digest[:32]}-{last.run_id[:8]}"
    return Decision(event, f"the data have changed since the run {last.url}")


def at_drift(crossed: Sequence[str], new_text: str, data: str, last: PastRun) -> Decision:
    """Return whether new text has drifted: an event for that text and the sources as they are.

    Args:
        crossed: what limits it exceeds, in words.
        new_text: its digest.
        data: digest of what would be trained on.
        last: the run with which the text is compared.
    """
    if not crossed:
        return Decision(None, "the new text is like the training corpus")
    event = f"drift-{digest_values([new_text, data])[:32]}"
    reason = f"the new text has drifted: {listed(crossed, '; ')}"
    if last.data == data:
        reason += "; the sources have not changed, so add such text to them for a better model"
    return Decision(event, reason)


def tries_left(runs: Sequence[PastRun], retries: int) -> tuple[int, str]:
    """Return how often an event may still be tried, and why if it may not.

    A run that was ended (by a signal, or by its time limit) was no try: the next goes on from it.

    Args:
        runs: those made for it so far, the newest first.
        retries: how often a run that failed may be followed by another.
    """
    for run in runs:
        if run.status == "FINISHED":
            return 0, f"the run {run.url} has dealt with it"
    for run in runs:
        if run.status == "RUNNING":
            return 0, f"the run {run.url} is dealing with it"
    failed = [run for run in runs if run.status == "FAILED"]
    left = 1 + retries - len(failed)
    if left > 0:
        return left, ""
    return 0, (
        f"{len(failed)} runs for it have failed, the last is {failed[0].url}: fix the cause, then "
        "textmill run"
    )
