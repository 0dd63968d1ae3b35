"""Plots of a model's predictions: created once, and logged to the run of the evaluation.

They are not in its output, so that a changed axis label recomputes nothing.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path

from textmill.errors import best_effort
from textmill.reports.rendering import Image
from textmill.tasks.predictions import PREDICTIONS
from textmill.tasks.shown import page_of
from textmill.tracking.artifacts import artifact
from textmill.tracking.results import Result
from textmill.tracking.store import Store, artifact_url

MAX_INLINE_BYTES = 1_000_000
"""Maximum total size of inline images on a page; others are linked."""
TYPES = {".png": "image/png", ".svg": "image/svg+xml"}
FOLDER = "plots"


class Pictures:
    """Provides the plots of a page, inline up to `MAX_INLINE_BYTES`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bytes_left = MAX_INLINE_BYTES

    def of(self, kind: str, evaluation: Result) -> tuple[Image, ...]:
        """Return the plots of an evaluation's predictions; none if plotting fails.

        Raises:
            StoreError: the store failed.
        """
        # Before 2026-11 they were part of the output.
        old = [file for suffix in TYPES for file in evaluation.files(f"*{suffix}")]
        if old:
            return tuple(self._image(file, evaluation.url, "output") for file in old)
        with self._store.as_store_errors(), tempfile.TemporaryDirectory() as folder:
            files = list(self._kept(evaluation)) or self._draw(kind, evaluation, Path(folder))
            return tuple(self._image(file, evaluation.url, FOLDER) for file in files)

    def logged(self, result: Result) -> tuple[Image, ...]:
        """Return the plots that were logged to the run of a result.

        Raises:
            StoreError: the store failed.
        """
        with self._store.as_store_errors():
            return tuple(self._image(file, result.url, FOLDER) for file in self._kept(result))

    def _kept(self, result: Result) -> Iterator[Path]:
        """Yield local copies of plots that were logged before."""
        client = self._store.client
        entries = client.list_artifacts(result.run_id, FOLDER)
        if names := sorted(one.path for one in entries if Path(one.path).suffix in TYPES):
            run = client.get_run(result.run_id)
            yield from (artifact(self._store, run, name) for name in names)

    def _draw(self, kind: str, evaluation: Result, folder: Path) -> list[Path]:
        """Create the plots and log them to the evaluation's run; return their files."""
        with best_effort("the plot of the scores"):
            page_of(kind).plot(evaluation.lines(PREDICTIONS), folder)
        self._store.client.log_artifacts(evaluation.run_id, str(folder), FOLDER)
        return sorted(folder.iterdir())

    def _image(self, file: Path, run_url: str, place: str) -> Image:
        uri = None
        if file.stat().st_size <= self._bytes_left:
            self._bytes_left -= file.stat().st_size
            content = base64.b64encode(file.read_bytes()).decode()
            uri = f"data:{TYPES[file.suffix]};base64,{content}"
        caption = file.stem.replace("_", " ").capitalize()
        return Image(caption, uri, artifact_url(run_url, f"{place}/{file.name}"))
