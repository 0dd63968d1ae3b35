"""Shared parts of all commands: the application, options, and error handling."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from textmill.errors import InputError, RunError
from textmill_flows.cli.terminal import reject_undecodable_bytes, set_up_streams, spare_collections

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Raw text in, evaluated GPT models out; every step tracked, every result repeatable.",
)

ConfigOption = Annotated[
    str, typer.Option("--config", "-c", help="Name of a file in conf/, or path of a YAML file.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, in Hydra's grammar."),
]
SETTING = re.compile(r"[+~]{0,2}[\w.@/-]+=")
"""Beginning of an override, to distinguish it from a text."""
EXIT_TIMEOUT_S = 15
"""Timeout for Prefect to send its states and logs after Ctrl-C, if its server is unreachable."""
TAKE_TEXT = ("generate", "predict")
"""Commands with a text argument."""


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"textmill {version('textmill')}")
        raise typer.Exit


@app.callback()
def begin(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Set up the process of any command."""
    spare_collections()
    set_up_streams()
    if context.invoked_subcommand not in TAKE_TEXT:
        with exit_on_error():
            reject_undecodable_bytes(sys.argv[1:])


def is_setting(word: str) -> bool:
    """Return whether an argument is an override; a text may also contain an equals sign."""
    from textmill.config import Config

    key = re.split(r"[.=]", word.lstrip("+~"), maxsplit=1)[0]
    return SETTING.match(word) is not None and key in {*Config.model_fields, "data_root"}


def runs_and_settings(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the arguments that are runs, and those that are overrides."""
    return [word for word in words if "=" not in word], [word for word in words if "=" in word]


@contextmanager
def answering() -> Iterator[None]:
    """Handle errors like `exit_on_error`, for interactive commands: MLflow is imported faster."""
    with exit_on_error():
        from textmill.tracking.database.skinny import load_skinny

        load_skinny()
        yield


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print errors that a user can fix as one message, and exit with their status."""
    status: int | None = None
    try:
        yield
    except InputError as error:
        status = _fail(str(error), 2)
    except RunError as error:
        status = _fail(str(error), 1)
    except KeyboardInterrupt:
        _end_without_interrupts()
        status = _fail("Stopped. Run the same command again to resume.", 130)
    except BrokenPipeError:
        status = 0  # the reader, such as head, has closed the pipe
    if status is not None:
        raise typer.Exit(status)


def _end_without_interrupts() -> None:
    """Ignore further Ctrl-C while final messages and states are sent, up to a timeout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    timer = threading.Timer(EXIT_TIMEOUT_S, os._exit, (130,))
    timer.daemon = True
    timer.start()


def _fail(message: str, status: int) -> int:
    typer.echo(f"textmill: {message}", err=True)
    return status
