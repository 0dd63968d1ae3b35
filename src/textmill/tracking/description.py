"""The description that MLflow shows on a run's page: how it ended, its pages and its results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textmill.tracking.results import Result

NOTE_TAG = "mlflow.note.content"
MAX_CHARS = 7900
"""Of 8,000, at which MLflow cuts a tag."""
MAX_FAILURE_CHARS = 2000
STOPPED = "**Stopped** before its end: the same command continues from here."


def describe(
    status: str,
    failure: str | None,
    pages: Mapping[str, str],
    scores: str,
    champions: Sequence[str],
    results: Iterable[Result],
) -> str:
    """Return the description of a pipeline's run, in Markdown.

    Args:
        status: RUNNING, FINISHED, FAILED or KILLED.
        failure: why it failed, if it did.
        pages: addresses of its pages, by file name.
        scores: a table; empty where nothing was scored.
        champions: what came of its models, a line each.
        results: of its steps, which are named where there are no scores, or not all of them.
    """
    parts = [
        *_end(status, failure),
        " · ".join(f"[{_title(name)}]({url})" for name, url in pages.items()),
        scores,
        "\n".join(f"- {line}" for line in champions),
        "" if scores and not failure else "\n".join(_steps(results)),
    ]
    text = "\n\n".join(part for part in parts if part)
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 2].rstrip()} …"


def _end(status: str, failure: str | None) -> Iterator[str]:
    if failure:
        shown = failure if len(failure) <= MAX_FAILURE_CHARS else f"{failure[:MAX_FAILURE_CHARS]} …"
        yield f"**Failed.** {shown}"
    elif status == "KILLED":
        yield STOPPED


def _title(name: str) -> str:
    return name.removesuffix(".html").capitalize()


def _steps(results: Iterable[Result]) -> Iterator[str]:
    rows = [(result.label, "reused" if result.is_reused else "computed") for result in results]
    if rows:
        yield "| step | result |\n|---|---|"
        yield from (f"| {label} | {how} |" for label, how in rows)
