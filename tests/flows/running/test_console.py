"""Specifies what a flow says where no terminal is, and that it leaves logging as it was."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import pytest
from rich.console import Console

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from textmill.tracking.metrics.follow import Progress
    from textmill_flows.running import console


def state() -> tuple[object, ...]:
    loggers = [logging.getLogger(name) for name in (None, "textmill", "mlflow")]
    levels = [logger.level for logger in loggers]
    return (*levels, list(loggers[0].handlers), logging.raiseExceptions)


def test_logging_is_afterwards_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    before = state()
    with contextlib.suppress(KeyError), console.terminal():
        logging.getLogger("textmill.flows").info("a step has ended")
        logging.getLogger("others").warning("of no interest")
        assert state() != before
        raise KeyError
    assert state() == before
    assert "a step has ended" in (shown := capsys.readouterr().err)
    assert "of no interest" not in shown


def test_where_no_terminal_is_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not console.console.is_terminal
    lines: list[str] = []
    with console.terminal(), console.shown_progress("pretrain", lines.append) as show:
        for step in range(1, 6):
            show(Progress(step, 5, point := {"train/loss": 1.0 / step}, point))
    assert lines == ["pretrain: step 1/5  loss 1.000", "pretrain: step 5/5  loss 0.200"]
    assert "\x1b" not in capsys.readouterr().err


def test_rows_are_a_bar_on_a_terminal_and_nothing_once_they_are_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, legacy_windows=False)
    monkeypatch.setattr(console, "console", terminal)
    read = iter([None, 0.25, 0.5])
    with console.shown_rows("predict topic", lambda: next(read)) as show:
        for n_rows in (512, 1024, 2048):
            show(n_rows)
    seen = screen.getvalue()
    assert "predict topic" in seen
    assert "2,048 rows" in seen
    assert "50%" in seen
    assert seen.endswith("\x1b[2K")  # the line is cleared
