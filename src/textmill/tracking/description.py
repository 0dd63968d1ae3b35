"""The description on a run's page in MLflow: failure, links to pages, scores and results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textmill.tracking.results import Result

NOTE_TAG = "mlflow.note.content"
MAX_CHARS = 7900
"""Below 8,000, where MLflow truncates a tag."""
MAX_FAILURE_CHARS = 2000
STOPPED = "**Stopped** before it finished: run the same command again to resume."


def describe(
    status: str,
    failure: str | None,
    pages: Mapping[str, str],
    scores: str,
    champions: Sequence[str],
    results: Iterable[Result],
) -> str:
    """Return the description of a pipeline run, in Markdown.

    Args:
        status: RUNNING, FINISHED, FAILED or KILLED.
        failure: the error message, if it failed.
        pages: URLs of its pages, by file name.
        scores: a table; empty if nothing was scored.
        champions: outcome of the promotion of its models, one line per model.
        results: of its steps; listed if the run failed or has no scores.
    """
    parts = [
        *_outcome(status, failure),
        " · ".join(f"[{_title(name)}]({url})" for name, url in pages.items()),
        scores,
        "\n".join(f"- {line}" for line in champions),
        "" if scores and not failure else "\n".join(_steps_table(results)),
    ]
    text = "\n\n".join(part for part in parts if part)
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 2].rstrip()} …"


def _outcome(status: str, failure: str | None) -> Iterator[str]:
    if failure:
        shown = failure if len(failure) <= MAX_FAILURE_CHARS else f"{failure[:MAX_FAILURE_CHARS]} …"
        yield f"**Failed.** {shown}"
    elif status == "KILLED":
        yield STOPPED


def _title(name: str) -> str:
    return name.removesuffix(".html").capitalize()


def _steps_table(results: Iterable[Result]) -> Iterator[str]:
    rows = [(result.label, "reused" if result.is_reused else "computed") for result in results]
    if rows:
        yield "| step | result |\n|---|---|"
        yield from (f"| {label} | {how} |" for label, how in rows)
