"""Triggers of retraining: their events, and the attempts left for an event."""

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
    """The decision of a trigger."""

    event: str | None
    """Id of the event to retrain for, stable between checks; None if the trigger did not fire."""
    reason: str


def check_schedule(tick: datetime) -> Decision:
    """Return the decision of the trigger `schedule`: one event per scheduled time, in UTC."""
    time = tick.astimezone(UTC)
    return Decision(f"schedule-{time:%Y%m%dT%H%M%SZ}", f"scheduled for {time:%Y-%m-%d %H:%M} UTC")


def check_data(digest: str, last: PastRun | None) -> Decision:
    """Return the decision of the trigger `data`: whether raw files changed since the last run.

    The id of the run is part of the event, so that data reverted to an earlier state are a new
    event.
    """
    if last is None:
        return Decision(f"data-{digest[:32]}-first", "there is no finished run yet")
    if last.data == digest:
        return Decision(None, f"the data have not changed since the last finished run, {last.url}")
    event = f"data-{digest[:32]}-{last.run_id[:8]}"
    return Decision(event, f"the data have changed since the run {last.url}")


def check_drift(
    crossed: Sequence[str],
    new_text: str,
    data: str,
    last: PastRun,
    *,
    subject: str = "the new text",
) -> Decision:
    """Return the decision of the trigger `drift`: one event per new text and state of the sources.

    Args:
        crossed: descriptions of the limits that the new text exceeds.
        new_text: digest of the new text; of a log, of the models whose predictions it has.
        data: digest of the current sources.
        last: the run to which the text is compared.
        subject: what is compared.
    """
    if not crossed:
        return Decision(None, f"{subject} has not drifted from the training corpus")
    event = f"drift-{digest_values([new_text, data])[:32]}"
    reason = f"{subject} has drifted: {listed(crossed, '; ')}"
    if last.data == data:
        reason += "; the sources have not changed: add such text to them to improve the model"
    return Decision(event, reason)


def remaining_attempts(runs: Sequence[PastRun], retries: int) -> tuple[int, str]:
    """Return the number of attempts left for an event, and the reason if there are none.

    A run that was stopped (by a signal, or by its time limit) does not count as an attempt: the
    next one resumes it.

    Args:
        runs: the runs for the event, newest first.
        retries: maximum retries after a failed run.
    """
    for run in runs:
        if run.status == "FINISHED":
            return 0, f"the run {run.url} has already finished for this event"
    for run in runs:
        if run.status == "RUNNING":
            return 0, f"the run {run.url} is already running for this event"
    failed = [run for run in runs if run.status == "FAILED"]
    left = 1 + retries - len(failed)
    if left > 0:
        return left, ""
    return 0, (
        f"{len(failed)} runs have failed for this event, most recently {failed[0].url}: fix the "
        "cause, then run textmill run"
    )
