"""The command that completes prompts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textmill.errors import InputError
from textmill_flows.cli.shared import ConfigOption, answering, app, is_setting
from textmill_flows.cli.terminal import decode_argument


@app.command(epilog='Example: textmill generate "The train to the coast" generation.top_p=0.9')
def generate(
    prompt_and_overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PROMPT] [KEY=VALUE]...",
            help="Beginning of the text; - or nothing reads standard input. Settings.",
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the prompt from a file.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", "-r", help="Make the prompt from a topic: article, news, mail, question."
        ),
    ] = None,
    config: ConfigOption = "demo",
) -> None:
    """Stream a completion of a prompt by the champion or newest backbone."""
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.inference import write
        from textmill_flows.answering.recipes import apply_recipe

        text, overrides = _text_and_overrides(prompt_and_overrides, file)
        composed = compose(config, overrides)
        prompt = _prompt(text, file)
        if recipe is not None:
            prompt, composed = apply_recipe(recipe, prompt, composed)
        for piece in write(prompt, composed):
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")


def _text_and_overrides(words: list[str] | None, file: Path | None) -> tuple[str | None, list[str]]:
    """Return the text among the arguments, which is the first one if it is there, and the others.

    Raises:
        InputError: there is a file as well, or the text is not UTF-8.
    """
    words = words or []
    has_text = bool(words) and not is_setting(words[0])
    text = decode_argument(words[0]) if has_text else None
    if text is not None and file is not None:
        raise InputError(f"Both a text and --file {file} were given: remove one of them.")
    return text, words[has_text:]


def _prompt(text: str | None, file: Path | None) -> str:
    """Return the argument, or the text of a file or of standard input.

    The encoding of a file is detected as in training data.
    """
    if text is not None and text != "-":
        return text
    try:
        if file is not None:
            from textmill.corpus.reading.sources import read_line_texts

            return "\n".join(read_line_texts(file))
        with sys.stdin as lines:
            return "\n".join(line.rstrip("\r\n") for line in lines)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError("standard input is not UTF-8 text: convert it first.") from None
