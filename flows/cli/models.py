"""Commands that use models, and promote them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from textmill.errors import InputError
from textmill_flows.cli.shared import ConfigOption, Overrides, answering, app
from textmill_flows.cli.terminal import as_json, decode_argument

SETTING = re.compile(r"[+~]{0,2}[\w.@/-]+=")
"""Beginning of an override, to distinguish it from a text."""


@app.command(epilog='Example: textmill generate "The train to the coast"')
def generate(
    prompt: Annotated[str, typer.Argument(help="Beginning of the text.")],
    overrides: Overrides = None,
    config: ConfigOption = "demo",
) -> None:
    """Stream a completion of a prompt by the champion or newest backbone."""
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.inference import write

        for piece in write(decode_argument(prompt), compose(config, overrides or [])):
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")


@app.command(epilog='Example: textmill predict sentiment "I would go there again at once."')
def predict(
    task: Annotated[str, typer.Argument(help="Name of a task of the configuration.")],
    text_and_overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT] [KEY=VALUE]...", help="The text; - or nothing reads lines. Settings."
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read one text from each line of a file.")
    ] = None,
    config: ConfigOption = "demo",
) -> None:
    """Predict with the champion or newest model of a task; one line of JSON per text.

    The run in each line is that of the model, for textmill lineage RUN.
    """
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.inference import answer

        words = text_and_overrides or []
        has_text = bool(words) and not _is_setting(words[0])
        text = decode_argument(words[0]) if has_text else None
        if text is not None and file is not None:
            raise InputError(f"Both a text and --file {file} were given: remove one of them.")
        composed = compose(config, words[has_text:])
        for prediction in answer(task, _texts(text, file), composed):
            sys.stdout.write(f"{as_json(prediction)}\n")


@app.command(epilog="Example: textmill promote topic --version 3")
def promote(
    model: Annotated[str, typer.Argument(help="Name of a task, or backbone.")],
    overrides: Overrides = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Which; the newest if not given.")
    ] = None,
    config: ConfigOption = "demo",
) -> None:
    """Promote a registered model to champion by hand, regardless of the gate."""
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.champions import promote_model

        number = None if version is None else str(version)
        typer.echo(promote_model(model, number, compose(config, overrides or [])))


@app.command(epilog="Example: textmill rollback topic")
def rollback(
    model: Annotated[str, typer.Argument(help="Name of a task, or backbone.")],
    overrides: Overrides = None,
    config: ConfigOption = "demo",
) -> None:
    """Roll back to the previous champion."""
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.champions import rollback_model

        typer.echo(rollback_model(model, compose(config, overrides or [])))


def _is_setting(word: str) -> bool:
    """Return whether an argument is an override; a text may also contain an equals sign."""
    from textmill.config import Config

    key = re.split(r"[.=]", word.lstrip("+~"), maxsplit=1)[0]
    return SETTING.match(word) is not None and key in {*Config.model_fields, "data_root"}


def _texts(text: str | None, file: Path | None) -> Iterator[str]:
    """Yield the texts to predict: the argument, or the lines of a file or standard input.

    The encoding of a file is detected as in training data.
    """
    if text is not None and text != "-":
        yield text
        return
    try:
        if file is not None:
            from textmill.corpus.reading.sources import read_line_texts

            yield from read_line_texts(file)
            return
        lines: Any = sys.stdin
        with lines:
            yield from (line.rstrip("\r\n") for line in lines)  # an answer for each line
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError("standard input is not UTF-8 text: convert it first.") from None
