"""Prediction of rows with the champion of a task, or its newest finished model."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill import __version__
from textmill.compose import unknown_name
from textmill.config import Config
from textmill.corpus.reading.records import RECORD_SUFFIXES
from textmill.errors import InputError
from textmill.registry.current import current_model
from textmill.steps.graph import FINETUNE
from textmill.tasks.filtered.task_filter import FILTERED, CheckedInput, TaskFilter
from textmill.tasks.inputs import size_of
from textmill_flows.answering.filtering import FilteredRows, load_filters
from textmill_flows.answering.input_columns import InputColumns, with_column
from textmill_flows.answering.input_rows import BadRow, InputRow, InputRows, Source
from textmill_flows.answering.partial_file import OtherRows, PartialFile

if TYPE_CHECKING:
    from textmill.tasks.ensemble.predictor import Predictor

BLOCK_ROWS = 512
"""Maximum rows that are in memory at a time, and predicted together."""
BLOCK_CHARS = 1 << 22
"""Characters of their texts after which no more rows are added."""
RENAMED = "input_"
"""Prefix of columns with the name of a part of the answer."""


@dataclass(frozen=True)
class RowPredictor:
    """A task's model, for rows."""

    predictor: Predictor
    columns: InputColumns
    run: str
    """The MLflow run that trained it."""
    version: str | None
    """Its registered version, if it is the champion."""
    filters: TaskFilter | None = None
    """None: it writes no texts."""
    filters_digest: str | None = None

    def answer(
        self, block: Sequence[InputRow], bad: BadRows, filtered: FilteredRows
    ) -> list[dict[str, Any]]:
        """Return the rows with the model's answers; those that the model rejects are bad.

        What filters block is null, in the columns of the input as well.

        Raises:
            InputError: the model rejects a row, and bad rows are not skipped.
        """
        try:
            answered = self._answered(block)
        except InputError:
            answered = self._answered([row for row in block if self._accepts(row, bad)])
        model = {"model_version": self.version, "run": self.run}
        if self.filters is not None:
            for _, prediction in answered:
                filtered.add(prediction[FILTERED])
        return [joined(values, prediction | model) for values, prediction in answered]

    def _answered(
        self, block: Sequence[InputRow]
    ) -> list[tuple[Mapping[str, object], dict[str, Any]]]:
        """Return the columns of each row, and the prediction, both after the filters."""
        given = [row.given for row in block]
        if self.filters is None:
            values = (row.values for row in block)
            return [*zip(values, self.predictor(given), strict=True)]
        checked, predictions = self.filters.predict(self.predictor, given)
        shown = (filtered_values(*pair) for pair in zip(block, checked, strict=True))
        return [*zip(shown, predictions, strict=True)]

    def _accepts(self, row: InputRow, bad: BadRows) -> bool:
        try:
            self.predictor.check(row.given)
        except InputError as error:
            bad.add(BadRow(row.place, str(error)))
            return False
        return True


def load_row_predictor(task: str, config: Config, renamed: Mapping[str, str]) -> RowPredictor:
    """Return the model of a task that is in use.

    Args:
        task: name of the task.
        config: the configuration.
        renamed: names of columns in the input, by those of the model.

    Raises:
        InputError: there is no such task or column, or the task has not been fine-tuned yet.
    """
    names = [t.name for t in config.tasks]
    if task not in names:
        raise InputError(unknown_name("task", task, names).capitalize())
    model = current_model(config, FINETUNE, task)
    from textmill.tasks.ensemble.predictor import load_predictor

    predictor = load_predictor(model.folder)
    columns = InputColumns(config.tasks[names.index(task)], predictor.columns, renamed)
    found = RowPredictor(predictor, columns, model.run_id, model.version)
    if (written := predictor.kind.WRITES) is None:
        return found
    filters = load_filters(config)
    of_task = TaskFilter(filters.content, written, predictor.redaction)
    return replace(found, filters=of_task, filters_digest=filters.digest)


class BadRows:
    """Stops at a bad row, or counts bad rows.

    Args:
        are_skipped: whether to leave them out.
    """

    def __init__(self, are_skipped: bool) -> None:
        self.are_skipped = are_skipped
        self.restart()

    def restart(self) -> None:
        """Forget all rows."""
        self.found: tuple[int, str] = (0, "")
        """Their number, and the first."""
        self._read = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """Digest of the rows that were bad when they were read."""
        return self._read.digest()

    def add_read(self, row: BadRow) -> None:
        """Count a row that is bad whatever the model, which the digest covers.

        Raises:
            InputError: bad rows are not skipped.
        """
        self.add(row)
        self._read.update(json.dumps([row.place, row.reason]).encode())

    def add(self, row: BadRow) -> None:
        """Count a row.

        Raises:
            InputError: bad rows are not skipped.
        """
        described = f"{row.place}: {row.reason.rstrip('.')}"
        if not self.are_skipped:
            raise InputError(f"{described}. Correct the row, or leave out such rows: --skip-bad.")
        n, first = self.found
        self.found = n + 1, first or described

    def report(self, n_answers: int, notify: Callable[[str], None]) -> None:
        """Show how many rows were left out.

        Raises:
            InputError: all rows are bad.
        """
        n, first = self.found
        if n and not n_answers:
            raise InputError(f"No row can be predicted, all {n:,} are bad. The first is {first}.")
        if not n and not n_answers:
            notify("There are no rows to predict.")
        self.report_skipped(notify)

    def report_skipped(self, notify: Callable[[str], None]) -> None:
        """Show how many rows were left out, if any were."""
        n, first = self.found
        if n:
            notify(f"{n:,} bad rows were left out. The first is {first}.")


def check_output(out: Path, sources: Sequence[Source]) -> None:
    """Raise InputError if a file is not one to write answers to.

    Raises:
        InputError: its name is that of another format, or it is a file of the input.
    """
    check_name(out, "--out")
    for source in sources:
        if source.stream is None and out.exists() and out.samefile(source.file):
            raise InputError(f"--out {out} is a file of the input: choose another file.")


def check_name(file: Path, option: str) -> None:
    """Raise InputError if the name of a file to write is that of another format than JSON Lines."""
    name = file.name.lower()
    if name.endswith((*RECORD_SUFFIXES, ".gz", ".zst")) and not name.endswith(".jsonl"):
        raise InputError(f"{option} {file}: it is written as JSON Lines; let it end in .jsonl.")


def answers(
    model: RowPredictor, rows: InputRows, bad: BadRows, notify: Callable[[str], None]
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield the rows with the answers of the model in blocks, after their number so far.

    Args:
        model: the model.
        rows: the rows.
        bad: what to do with bad ones.
        notify: shows a message.

    Raises:
        InputError: a row is bad; the blocks before its own have been yielded.
    """
    n_rows = n_answers = 0
    filtered = FilteredRows()
    for block in blocks(rows, bad):
        found = model.answer(block, bad, filtered)
        n_rows, n_answers = n_rows + len(block), n_answers + len(found)
        yield n_rows, found
    bad.report(n_answers, notify)
    filtered.report(notify)


def answer_in_file(
    model: RowPredictor,
    rows: InputRows,
    bad: BadRows,
    out: Path,
    notify: Callable[[str], None],
    show: Callable[[int], None],
) -> None:
    """Write the rows with the answers of the model to a file, as JSON Lines.

    If it is interrupted, the next call with the same model and rows continues.

    Args:
        model: the model.
        rows: the rows.
        bad: what to do with bad ones.
        out: the file, replaced once all answers are there.
        notify: shows a message.
        show: shows the number of rows that are done.

    Raises:
        InputError: a row is bad, or the file cannot be written.
        RunError: the disk is full.
    """
    made_by = {
        "run": model.run,
        "model_version": model.version,
        "filters": model.filters_digest,
        "textmill": __version__,
    }
    filtered = FilteredRows()
    with PartialFile(out, made_by, notify) as partial:
        try:
            _fill(partial, model, rows, bad, filtered, show)
        except OtherRows:
            if not rows.can_be_read_again:
                raise InputError(
                    f"{partial.partial} has the answers to other rows: remove it to start again."
                ) from None
            partial.restart("of other rows")
            bad.restart()
            filtered.found = {}
            _fill(partial, model, rows, bad, filtered, show)
        bad.report(partial.n_answers, notify)
        filtered.report(notify)
        partial.finish()
        notify(f"{partial.n_answers:,} predictions are in {out}.")


def _fill(
    partial: PartialFile,
    model: RowPredictor,
    rows: InputRows,
    bad: BadRows,
    filtered: FilteredRows,
    show: Callable[[int], None],
) -> None:
    """Append the answers that are not there.

    Raises:
        OtherRows: those that are there are to other rows.
    """
    n_rows = 0
    for block in blocks(rows, bad):
        if partial.has(block, bad.digest):
            bad.found, filtered.found = partial.bad, partial.filtered
        else:
            found = model.answer(block, bad, filtered)
            partial.append(block, bad.digest, found, bad.found, filtered.found)
        n_rows += len(block)
        show(n_rows)
    partial.check_end()


def blocks(rows: Iterable[InputRow | BadRow], bad: BadRows) -> Iterator[list[InputRow]]:
    """Yield the rows that are not bad in blocks, which depend on nothing but the rows.

    Raises:
        InputError: a row is bad, and bad ones are not skipped.
    """
    block: list[InputRow] = []
    n_chars = 0
    for row in rows:
        if isinstance(row, BadRow):
            bad.add_read(row)
            continue
        block.append(row)
        n_chars += size_of(row.given)
        if len(block) >= BLOCK_ROWS or n_chars >= BLOCK_CHARS:
            yield block
            block, n_chars = [], 0
    if block:
        yield block


def filtered_values(row: InputRow, checked: CheckedInput) -> Mapping[str, object]:
    """Return the columns of a row, with what the filters left of the input."""
    if not checked.decisions:
        return row.values
    values = row.values
    for name, column in row.columns.items():
        one = checked.given[name] if isinstance(checked.given, Mapping) else checked.given
        values = with_column(values, column, None if checked.is_blocked else one)
    return values


def joined(values: Mapping[str, object], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a row and the answer as one object of JSON.

    A column with the name of a part of the answer, such as the label of a test file, gets a prefix.
    """
    row: dict[str, Any] = {}
    for name, value in values.items():
        free = name
        while free in answer or (free != name and free in values):
            free = f"{RENAMED}{free}"
        row[free] = as_plain(value)
    return {**row, **answer}


def as_plain(value: object) -> Any:
    """Return a value of a table as one of JSON.

    Numbers that JSON does not have are null, dates and times are in ISO 8601, and bytes in base64.
    """
    match value:
        case None | str() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(name): as_plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [as_plain(inner) for inner in value]
        case datetime.date() | datetime.time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
    return str(value)
