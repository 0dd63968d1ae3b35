"""The command that predicts."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, TextIO

import typer

from textmill.errors import InputError
from textmill_flows.cli.shared import ConfigOption, answering, app, is_setting
from textmill_flows.cli.terminal import as_json, decode_argument

FileOption = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", help="File, or quoted pattern of files; may be repeated."),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="File for the answers. Run again, it continues."),
]
FormatOption = Annotated[
    Literal["text", "jsonl", "csv", "tsv", "parquet"] | None,
    typer.Option("--format", help="Format of standard input, or of files with other names."),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=COLUMN", help="Column of the input, such as text=body."),
]
SkipBadOption = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out rows that cannot be predicted.")
]


@app.command(epilog='Example: textmill predict sentiment "I would go there again at once."')
def predict(
    task: Annotated[str, typer.Argument(help="Name of a task of the configuration.")],
    text_and_overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT] [KEY=VALUE]...", help="The text; - or nothing reads lines. Settings."
        ),
    ] = None,
    file: FileOption = None,
    out: OutOption = None,
    input_format: FormatOption = None,
    column: ColumnOption = None,
    skip_bad: SkipBadOption = False,
    config: ConfigOption = "demo",
) -> None:
    """Predict with the champion or newest model of a task; one line of JSON per text.

    Files are texts, one per line, or rows of JSON Lines, CSV, TSV or Parquet, whose columns are
    kept. The run in each line is that of the model, for textmill lineage RUN.
    """
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering import input_rows, row_prediction

        words = text_and_overrides or []
        has_text = bool(words) and not is_setting(words[0])
        text = decode_argument(words[0]) if has_text and words[0] != "-" else None
        if has_text and file:
            raise InputError(
                f"Both {words[0]!r} and --file {file[0]} were given: remove one of them, or quote "
                "a pattern, as in --file '*.csv'."
            )
        composed = compose(config, words[has_text:])
        renamed = renamed_columns(column or [])
        sources = input_rows.file_sources(file or [], input_format)
        if out is not None:
            row_prediction.check_output(out, sources)
        model = row_prediction.load_row_predictor(task, composed, renamed)
        if text is not None:
            sources = [input_rows.argument_source(text, model.columns)]
        rows = input_rows.InputRows(
            sources or [input_rows.standard_input(input_format)], model.columns
        )
        bad = row_prediction.BadRows(skip_bad)
        with _progress(f"predict {task}", rows.share, out) as show:
            if out is not None:
                row_prediction.answer_in_file(model, rows, bad, out, _notify, show)
                return
            for n_rows, answers in row_prediction.answers(model, rows, bad, _notify):
                sys.stdout.writelines(f"{as_json(answer)}\n" for answer in answers)
                sys.stdout.flush()
                show(n_rows)


def renamed_columns(words: list[str]) -> dict[str, str]:
    """Return the values of --column by their names."""
    for word in words:
        name, _, column = word.partition("=")
        if not name or not column:
            raise InputError(f"--column {word}: write NAME=COLUMN, such as text=body.")
    return dict(word.split("=", 1) for word in words)


def _notify(message: str) -> None:
    typer.echo(f"textmill: {message}", err=True)


@contextmanager
def _progress(
    label: str, share: Callable[[], float | None], out: Path | None
) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows the number of rows, where answers do not go to the terminal."""
    if not sys.stderr.isatty() or (out is None and not _is_file(sys.stdout)):
        yield lambda n_rows: None
        return
    from textmill_flows.running.console import shown_rows

    with shown_rows(label, share) as show:
        yield show


def _is_file(stream: TextIO) -> bool:
    return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
