"""The labelling of texts of a task: what a person is offered, and what is saved of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from textmill.config import Config, TaskConfig, takes_labels
from textmill.corpus.reading.columns import get_column
from textmill.corpus.reading.line_ends import json_line
from textmill.corpus.reading.records import Record
from textmill.errors import InputError
from textmill.files import write_atomic
from textmill.tasks.annotation.labelling import Label, Labelling, labelling_of
from textmill.tasks.annotation.saved_labels import labels_file, read_saved
from textmill.tasks.inputs import Input
from textmill.tracking.events import find_sample
from textmill.tracking.raw_data import with_sample
from textmill.tracking.store import Store
from textmill_flows.answering import row_prediction
from textmill_flows.answering.input_rows import InputRow, InputRows, file_sources
from textmill_flows.answering.row_prediction import BadRows, RowPredictor, check_name, joined
from textmill_flows.labelling.label_writer import LabelWriter
from textmill_flows.labelling.uncertain_rows import (
    Candidate,
    key_of,
    known_keys,
    most_uncertain,
)

FACTS = "labelled"
"""The column with what is known of a label: by whom, when, and with which model."""


@dataclass(frozen=True)
class LabelSession:
    """A person who labels texts of a task, with its model."""

    config: TaskConfig
    model: RowPredictor
    writer: LabelWriter
    by: str
    """Who labels."""

    @property
    def labelling(self) -> Labelling:
        """The labels of its kind of task."""
        return labelling_of(self.config.kind)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the model knows."""
        return tuple(self.model.predictor.spec.labels)

    def candidates(
        self, rows: InputRows, count: int, bad: BadRows, show: Callable[[int], None]
    ) -> list[Candidate]:
        """Return the texts that the model is least sure of, the least sure first.

        Args:
            rows: those of the source.
            count: maximum number of texts.
            bad: what to do with bad rows.
            show: shows the number of rows that are done.

        Raises:
            InputError: the source cannot be read, lacks a column, or has a bad row.
        """
        known = known_keys(self.model.predictor, self.config)
        return most_uncertain(self.model.predictor, rows, known, count, bad, show)

    def source(self) -> InputRows:
        """Return the rows of the source.

        Raises:
            InputError: it cannot be read, or has no such columns.
        """
        assert self.config.labelling is not None
        setting = f"tasks.{self.config.name}.labelling.source"
        sources = file_sources([self.config.labelling.source], None, setting)
        return InputRows(sources, self.model.columns)

    def save(self, rows: Sequence[tuple[InputRow, Label, Label | None]]) -> None:
        """Append the labels of rows, each with the one that the model predicted, if it is known.

        Raises:
            RunError: the disk is full.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.writer.append(
            [self._row(row, label, predicted, self.by, now) for row, label, predicted in rows]
        )

    def saved_keys(self) -> set[bytes]:
        """Return the keys of the texts in the file of labels, also of those of other people."""
        columns = {name: str(getattr(self.config, name)) for name in self.model.columns.names}
        found = set()
        for record in read_saved(self.config, {}):
            if isinstance(record, Record):
                with suppress(ValueError):  # training reports such lines
                    given = self.model.columns.given(record.values, columns)
                    found.add(self._key(given))
        return found

    def export(self, candidates: Sequence[Candidate], file: Path) -> None:
        """Write texts to a new file, to be filled with labels by another tool.

        Raises:
            InputError: see `check_export`; or the file cannot be written.
        """
        check_export(file)
        rows = [self._row(one.row, None, one.predicted, None, None) for one in candidates]
        try:
            write_atomic(file, "".join(map(json_line, rows)).encode())
        except OSError as error:
            raise _unwritable(file, error) from None

    def import_from(self, file: Path, bad: BadRows) -> tuple[int, int, int]:
        """Save the labels of a file, all or none.

        Args:
            file: with texts and labels.
            bad: what to do with bad rows.

        Returns:
            The numbers of labels that were saved, of texts that had one already, as those of the
            test, and of rows without a label.

        Raises:
            InputError: a row is bad, or its label is not known to the model.
        """
        column, new = self.labelling.column(self.config), []
        seen = self.saved_keys() | known_keys(self.model.predictor, self.config)
        n_known = n_empty = 0
        for row in InputRows(file_sources([str(file)], None, "--import"), self.model.columns):
            if not isinstance(row, InputRow):
                bad.add(row)
                continue
            label = self._label_in(row, column)
            key = self._key(row.given)
            if label is None:
                n_empty += 1
            elif key in seen:
                n_known += 1
            else:
                seen.add(key)
                new.append((row, label, _predicted_in(row)))
        if new:
            self.save(new)
        return len(new), n_known, n_empty

    def _label_in(self, row: InputRow, column: str) -> Label | None:
        """Return the label in a row; None if it has none."""
        value: object = None
        with suppress(KeyError):
            value = get_column(row.values, column)
        if value is None or value == "":
            return None
        try:
            return self.labelling.known(self.config, self.model.predictor.spec, value)
        except ValueError as error:
            raise InputError(f"{row.place}: {error}. Nothing was saved: correct it.") from None

    def _row(
        self,
        row: InputRow,
        label: Label | None,
        predicted: Label | None,
        by: str | None,
        at: str | None,
    ) -> dict[str, Any]:
        """Return the line of a label: the columns of the row, the label, and the facts about it."""
        values = {name: value for name, value in row.values.items() if name != FACTS}
        given = {str(getattr(self.config, name)): text for name, text in self._texts(row.given)}
        # With --column, the row may have another text in the column of the task.
        missing = {name: text for name, text in given.items() if not _has(values, name, text)}
        model = {"model_version": self.model.version, "run": self.model.run}
        facts = {"by": by, "at": at, "predicted": predicted, **model}
        column = self.labelling.column(self.config)
        values.pop(column, None)  # of an export, or empty
        return joined(values, missing | {column: label, FACTS: facts})

    def _texts(self, given: Input) -> Iterator[tuple[str, Any]]:
        """Yield the texts of an input with the names of the model's columns."""
        if isinstance(given, str):
            yield self.model.columns.names[0], given
        elif isinstance(given, dict):
            yield from given.items()

    def _key(self, given: Input) -> bytes:
        return key_of(self.model.predictor, given, self.model.predictor.redaction)


def check_export(file: Path) -> None:
    """Raise InputError if an export cannot be written to a file.

    It exists, is in no folder, or has the name of another format.
    """
    check_name(file, "--export")
    try:
        if file.exists():
            raise InputError(
                f"--export {file} exists, and may have labels: choose another file, or remove it."
            )
        if not file.parent.is_dir():
            raise InputError(f"--export {file}: {file.parent} is no folder: create it.")
    except OSError as error:  # such as a name that is too long
        raise _unwritable(file, error) from None


def _unwritable(file: Path, error: OSError) -> InputError:
    return InputError(f"--export {file} cannot be written: {error.strerror}.")


def _has(values: dict[str, object], column: str, text: str) -> bool:
    """Return whether a row has a text in a column."""
    with suppress(KeyError):
        return get_column(values, column) == text
    return False


def _predicted_in(row: InputRow) -> Label | None:
    """Return the prediction in a row of an export."""
    facts = row.values.get(FACTS)
    return facts.get("predicted") if isinstance(facts, dict) else None


def open_session(
    task: str,
    config: Config,
    renamed: dict[str, str],
    by: str,
    notify: Callable[[str], None],
) -> LabelSession:
    """Return a session with the model of a task that is in use.

    Args:
        task: name of the task.
        config: the configuration.
        renamed: names of columns in the source, by those of the model.
        by: who labels.
        notify: shows a message.

    Raises:
        InputError: there is no such task or column, it has no texts to label, or it has not been
            fine-tuned yet.
    """
    if config.sample is not None:
        folder = find_sample(Store(config.tracking), config.sample)
        config = config if folder is None else with_sample(config, str(folder))
    for own in config.tasks:
        if own.name == task and own.labelling is None:
            problem = (
                f"set tasks.{task}.labelling.source to a file of texts without labels"
                if takes_labels(own.kind)
                else f"textmill label does not support the kind {own.kind}"
            )
            raise InputError(f"The task {task!r} has no texts to label: {problem}.")
    model = row_prediction.load_row_predictor(task, config, renamed)
    (own,) = (own for own in config.tasks if own.name == task)
    return LabelSession(own, model, LabelWriter(labels_file(own), notify), by)
