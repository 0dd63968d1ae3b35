"""Pages that a pipeline run leaves as artifacts of its parent run."""

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

UNMADE = """<!doctype html>
<meta charset="utf-8">
<title>not made</title>
<p>This page could not be made: the terminal says why. The numbers of the run are complete.</p>
"""


def log_page(pipeline: Pipeline, name: str, make: Callable[[], str]) -> str:
    """Make a page and make it an artifact of the parent run; return where it is found.

    What goes wrong with the making leaves a page that says so.

    Args:
        pipeline: the run.
        name: of the file.
        make: gathers what the page says from the store, and returns it as HTML.

    Returns:
        The file on this machine, or its page where the store is elsewhere.

    Raises:
        RunError: the store cannot be read or written.
    """
    try:
        content = UNMADE
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
    """Return a point in time in words."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(time_ms / 1000))
