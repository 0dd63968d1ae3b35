"""Terminal output: one line per event, and a progress bar during training."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from textmill.tracking.metrics.follow import Progress

PLAIN_LINE_EVERY_S = 10.0

console = Console(stderr=True, highlight=False, soft_wrap=True)
bars = Bars(
    TextColumn("{task.description:<20}"),
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("{task.fields[numbers]}"),
    console=console,
    transient=True,
    disable=not console.is_terminal,
)
"""The progress bars of this process; shown while `terminal` is entered."""


@contextmanager
def terminal() -> Iterator[None]:
    """Send log messages to the terminal, without tracebacks, above the progress bars.

    In a notebook, progress is printed as lines. The logging configuration is restored afterwards.
    """
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, show_level=False, markup=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    handler.addFilter(_is_user_facing)
    root, ours, theirs = (logging.getLogger(name) for name in (None, "textmill", "mlflow"))
    before = root.handlers, ours.level, theirs.level, logging.raiseExceptions
    root.handlers = [handler]
    ours.setLevel(logging.INFO)
    theirs.setLevel(logging.ERROR)
    # Prefect would print every message that its server rejects on standard error.
    logging.raiseExceptions = False
    # MLflow warns of two equivalent source types of a dataset.
    warnings.filterwarnings("ignore", "The specified dataset source can be interpreted in multiple")
    try:
        with bars:
            yield
    finally:
        root.handlers, *levels, logging.raiseExceptions = before
        for logger, level in zip((ours, theirs), levels, strict=True):
            logger.setLevel(level)


def _is_user_facing(record: logging.LogRecord) -> bool:
    """Accept textmill's messages and other libraries' errors; tracebacks are in log files."""
    if record.exc_info:
        return False
    if record.name.startswith(("textmill", "prefect.flow_runs.textmill")):
        return True
    return record.levelno >= logging.ERROR and not record.name.startswith("prefect")


@contextmanager
def shown_progress(label: str, say: Callable[[str], None]) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows a training's progress, as a bar and periodically as a line.

    The last progress is printed as a line once the step has finished.
    """
    bar = None
    last_line_s = 0.0
    printed = newest = ""

    def show(progress: Progress) -> None:
        nonlocal bar, last_line_s, printed, newest
        numbers = _numbers(progress)
        if console.is_terminal:
            if bar is None:
                bar = bars.add_task(label, total=progress.total_steps, numbers="")
            bars.update(
                bar,
                completed=progress.step,
                numbers=numbers,
                visible=progress.step < progress.total_steps,
            )
        newest = f"{label}: step {progress.step}/{progress.total_steps}  {numbers}"
        if time.monotonic() - last_line_s >= PLAIN_LINE_EVERY_S:
            last_line_s = time.monotonic()
            printed = newest
            say(printed)

    yield show
    if newest != printed:
        say(newest)


@contextmanager
def shown_rows(label: str, share: Callable[[], float | None]) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows the number of rows that are done, as a bar on standard error.

    Args:
        label: what is done with the rows.
        share: returns the share of the input that has been read; None if it is unknown.
    """
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,  # the rows may go there
    ) as shown:
        bar = shown.add_task(label, total=None, rows=0)

        def show(n_rows: int) -> None:
            done = share()
            shown.update(
                bar, total=None if done is None else 1.0, completed=done or 0.0, rows=n_rows
            )

        yield show


def _numbers(progress: Progress) -> str:
    metrics = progress.metrics
    parts = [f"loss {metrics['train/loss']:.3f}"] if "train/loss" in metrics else []
    if "validation/loss" in metrics:
        parts.append(f"validation {metrics['validation/loss']:.3f}")
    if "train/tokens_per_s" in metrics:
        parts.append(f"{metrics['train/tokens_per_s']:,.0f} tokens/s")
    if "train/seconds_left" in metrics:
        minutes, seconds = divmod(int(metrics["train/seconds_left"]), 60)
        parts.append(f"{minutes}:{seconds:02} left")
    return "  ".join(parts)
