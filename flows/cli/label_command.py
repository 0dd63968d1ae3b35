"""The command that asks a person for labels."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textmill.errors import InputError
from textmill_flows.cli.predict_command import ColumnOption, SkipBadOption, renamed_columns
from textmill_flows.cli.shared import ConfigOption, Overrides, answering, app

if TYPE_CHECKING:
    from textmill.tasks.inputs import Input
    from textmill_flows.answering.input_rows import InputRows
    from textmill_flows.labelling.label_session import LabelSession
    from textmill_flows.labelling.uncertain_rows import Candidate

MAX_SHOWN_CHARS = 4000
MAX_LISTED_LABELS = 30
"""Maximum number of labels that are listed below every text."""
HELP = "Enter: as predicted; a name, its beginning or its number; s skip, u undo, q quit"


@app.command(epilog="Example: textmill label intent --count 50 --config support.yaml")
def label(
    task: Annotated[str, typer.Argument(help="Name of a task with labelling.")],
    overrides: Overrides = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Maximum texts.")] = 20,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the texts to a file for another tool, instead of asking."),
    ] = None,
    import_file: Annotated[
        Path | None,
        typer.Option("--import", help="Save the labels of such a file, once it is filled in."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who labels; your user name if not given.")] = None,
    column: ColumnOption = None,
    skip_bad: SkipBadOption = False,
    config: ConfigOption = "demo",
) -> None:
    """Label the texts that the champion or newest model of a task is least sure of.

    The labels are appended to a file, whose rows are training examples of the task in the next run.
    """
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.row_prediction import BadRows
        from textmill_flows.labelling.label_session import check_export, open_session

        if export is not None and import_file is not None:
            raise InputError("Both --export and --import were given: remove one of them.")
        if export is not None:
            check_export(export)  # not after minutes of reading
        composed = compose(config, overrides or [])
        who = by or _user_name()
        session = open_session(task, composed, renamed_columns(column or []), who, _notify)
        bad = BadRows(skip_bad)
        if import_file is not None:
            n_saved, n_known, n_empty = session.import_from(import_file, bad)
            bad.report_skipped(_notify)
            notes = f"{n_known:,} texts had a label already, {n_empty:,} rows have none"
            typer.echo(f"{n_saved:,} labels are saved in {session.writer.file}; {notes}.")
            return
        rows = session.source()
        with _progress(task, rows) as show:
            found = session.candidates(rows, count, bad, show)
        bad.report_skipped(_notify)
        if not found:
            typer.echo("There is no text without a label in the source.")
        elif export is not None:
            session.export(found, export)
            typer.echo(
                f"{len(found):,} texts are in {export}: fill in their labels, and pass it to "
                "--import."
            )
        else:
            Dialogue(session, found, _read_line).run()


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an unknown user id, as in containers
        return "unknown"


def _progress(task: str, rows: InputRows) -> AbstractContextManager[Callable[[int], None]]:
    """Return the context of a function that shows the number of rows, in a terminal."""
    if not sys.stderr.isatty():
        return nullcontext(lambda n_rows: None)
    from textmill_flows.running.console import shown_rows

    return shown_rows(f"reading for {task}", rows.share)


def _read_line() -> str | None:
    line = sys.stdin.readline()
    return line.strip() if line else None


def _notify(message: str) -> None:
    typer.echo(f"textmill: {message}", err=True)


class Dialogue:
    """Asks a person for the label of one text after another.

    Args:
        session: saves the labels.
        candidates: the texts.
        read: returns what the person types, None at the end of input.
    """

    def __init__(
        self,
        session: LabelSession,
        candidates: list[Candidate],
        read: Callable[[], str | None],
    ) -> None:
        self.session, self.candidates, self.read = session, candidates, read
        self._answered: list[int] = []
        """Places of the texts that were labelled."""
        self._taken: set[bytes] = set()
        """Keys of the texts that others have labelled meanwhile."""

    def run(self) -> None:
        """Ask until there is no text left, or the person quits."""
        typer.echo(HELP)
        at = 0
        while at < len(self.candidates):
            if self.session.writer.has_others():
                self._taken = self.session.saved_keys()
            if self.candidates[at].key in self._taken:
                at += 1
                continue
            self._show(at)
            word = self.read()
            if word is None or word in self._commands("q"):
                break
            at = self._act(at, word)
        n_own = self.session.writer.n_own
        typer.echo(f"{n_own:,} labels are saved in {self.session.writer.file}.")

    def _commands(self, letter: str) -> tuple[str, ...]:
        """Return the ways to type a command; one that is a label needs a colon."""
        return (f":{letter}",) if letter in self.session.labels else (letter, f":{letter}")

    def _act(self, at: int, word: str) -> int:
        """Do what the person typed; return the place of the next text."""
        if word in self._commands("s"):
            return at + 1
        if word in self._commands("u"):
            if not self._answered:
                typer.echo("There is no label to take back.")
                return at
            self.session.writer.undo()
            last = self._answered.pop()
            self._taken.discard(self.candidates[last].key)
            return last
        candidate = self.candidates[at]
        try:
            spec = self.session.model.predictor.spec
            given = self.session.labelling.typed(spec, word) if word else candidate.predicted
        except ValueError as error:
            typer.echo(f"{error}. {HELP}.")
            return at
        self.session.save([(candidate.row, given, candidate.predicted)])
        self._answered.append(at)
        return at + 1

    def _show(self, at: int) -> None:
        candidate, labels = self.candidates[at], self.session.labels
        typer.echo(f"\n{at + 1} of {len(self.candidates)}  {candidate.row.place}")
        typer.echo(_readable(candidate.row.given))
        if len(labels) <= MAX_LISTED_LABELS:
            typer.echo("  ".join(f"{number} {name}" for number, name in enumerate(labels, 1)))
        sure = 1 - candidate.uncertainty
        shown = self.session.labelling.show(candidate.predicted)
        typer.echo(f"[{shown}, {sure:.2f}] ", nl=False)
        sys.stdout.flush()


def _readable(given: Input) -> str:
    """Return a text without characters that would control the terminal, or its beginning."""
    from textmill.tasks.inputs import text_of

    text = text_of(given)
    shown = "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    rest = len(shown) - MAX_SHOWN_CHARS
    return shown if rest <= 0 else f"{shown[:MAX_SHOWN_CHARS]} … ({rest:,} more characters)"
