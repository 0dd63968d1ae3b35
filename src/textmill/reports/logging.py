"""Logging of pages as artifacts of a pipeline's parent run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textmill.errors import RunError, best_effort
from textmill.tracking.artifacts import local_file
from textmill.tracking.store import artifact_url

if TYPE_CHECKING:
    from textmill.tracking.pipeline import Pipeline

FAILED_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>failed</title>
<p>This page could not be created: see the log for the reason. The run's metrics are complete.</p>
"""


def log_page(pipeline: Pipeline, name: str, make: Callable[[], str]) -> str:
    """Create a page and log it as an artifact of the parent run.

    If creating it fails, a page that reports the failure is logged.

    Args:
        pipeline: the run.
        name: of the file.
        make: returns the page as HTML.

    Returns:
        The local file, or the URL of the artifact if the store is remote.

    Raises:
        RunError: the store cannot be read or written.
    """
    try:
        content = FAILED_PAGE
        with best_effort(f"the page {name}"), pipeline.store.as_store_errors():
            content = make()
        with pipeline.store.as_store_errors(), tempfile.TemporaryDirectory() as folder:
            file = Path(folder, name)
            file.write_text(content, encoding="utf-8")
            pipeline.store.client.log_artifact(pipeline.run_id, str(file))
            place = local_file(pipeline.store, pipeline.run_id, name)
            pipeline.pages.append(name)
    except OSError as error:
        raise RunError(f"The page {name} could not be written: {error}") from error
    return str(place) if place else artifact_url(pipeline.url, name)


def time_of(time_ms: int) -> str:
    """Return a formatted timestamp."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(time_ms / 1000))
