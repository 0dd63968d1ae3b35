"""The columns of a model's input, by the names that they have in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from textmill.config import TaskConfig
from textmill.corpus.reading.columns import closest_column, column_names, get_column
from textmill.corpus.reading.records import BadRecord, Record
from textmill.errors import InputError, listed
from textmill.tasks.inputs import Input, Value
from textmill.tasks.labels import describe_value


class InputColumns:
    """The columns of a model's input, and the names that they may have in a file.

    Args:
        task: the task, whose settings name the columns of its training data.
        names: the columns of the model's input.
        renamed: other names of some of them, which the user gives.

    Raises:
        InputError: a column that is given another name is none of the model's.
    """

    def __init__(self, task: TaskConfig, names: Sequence[str], renamed: Mapping[str, str]) -> None:
        for name in renamed.keys() - {*names}:
            raise InputError(
                f"--column {name}={renamed[name]}: the input of task {task.name!r} has no "
                f"{name!r}; it has {listed(map(repr, names))}."
            )
        self.names = names
        self.is_renamed = bool(renamed)
        self.types = task.INPUT_TYPES
        self.candidates: dict[str, tuple[str, ...]] = {}
        """Names in a file by those in the model's input; the first that there is counts."""
        for name in names:
            of_task = getattr(task, task.INPUT_COLUMNS.get(name, name), None)
            known = [of_task, name] if isinstance(of_task, str) else [name]
            self.candidates[name] = (renamed[name],) if name in renamed else (*known,)

    def choices(self) -> list[set[str]]:
        """Return sets of columns of which a file has one."""
        of_each = self.candidates.values()
        return [{names[0] for names in of_each}, {names[-1] for names in of_each}]

    def find(self, file: Path, records: Sequence[Record | BadRecord]) -> dict[str, str]:
        """Return the columns of a file by those of the model.

        Args:
            file: the file, for messages.
            records: its first records; a column is there if one of them has it.

        Raises:
            InputError: a column is missing.
        """
        rows = [record.values for record in records if isinstance(record, Record)]
        found = {}
        for name, candidates in self.candidates.items():
            there = [column for column in candidates if any(_has(row, column) for row in rows)]
            if not there and rows:
                raise self._missing(file, name, rows)
            found[name] = there[0] if there else candidates[0]
        return found

    def are_in(self, record: Record | BadRecord) -> bool:
        """Return whether a record has all columns, each by one of its names."""
        return isinstance(record, Record) and all(
            any(_has(record.values, column) for column in candidates)
            for candidates in self.candidates.values()
        )

    def _missing(self, file: Path, name: str, rows: Sequence[Mapping[str, object]]) -> InputError:
        wanted = self.candidates[name]
        known = [*dict.fromkeys(column for row in rows for column in column_names(row))]
        close = next(filter(None, (closest_column(column, known) for column in wanted)), None)
        return InputError(
            f"{file} has no column {' or '.join(map(repr, dict.fromkeys(wanted)))}; it has "
            f"{listed(map(repr, known)) or 'none'}. Name the right one: --column "
            f"{name}={close or 'COLUMN'}."
        )

    def given(self, values: Mapping[str, object], columns: Mapping[str, str]) -> Input:
        """Return the input of the model that is in a row.

        Args:
            values: the columns of the row.
            columns: the columns of the file by those of the model.

        Raises:
            ValueError: a column is missing, or holds no text.
        """
        found: dict[str, Value | int] = {}
        for name in self.names:
            try:
                found[name] = self._value(name, columns[name], values)
            except KeyError:
                raise ValueError(f"there is no column {columns[name]!r}") from None
        text = found[self.names[0]]
        return text if len(self.names) == 1 and not isinstance(text, int) else found

    def _value(self, name: str, column: str, values: Mapping[str, object]) -> Value | int:
        value, other = get_column(values, column), self.types.get(name)
        if isinstance(value, str):
            return value
        if other is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if other is list and isinstance(value, list) and all(isinstance(w, str) for w in value):
            return value
        raise ValueError(f"column {column!r} holds no text: {describe_value(value)}")

    def example(self) -> str:
        """Return an object of JSON with the columns."""
        return json.dumps(dict.fromkeys(self.names, "…"), ensure_ascii=False)


def with_column(values: Mapping[str, object], column: str, value: object) -> dict[str, object]:
    """Return a row with another value in a column, which `get_column` finds."""
    if column in values:
        return {**values, column: value}
    for end, character in enumerate(column):
        inner, rest = values.get(column[:end]), column[end + 1 :]
        if character == "." and isinstance(inner, Mapping) and _has(inner, rest):
            return {**values, column[:end]: with_column(inner, rest, value)}
    return with_column(values, column.strip(), value)


def _has(values: Mapping[str, object], column: str) -> bool:
    with suppress(KeyError):
        get_column(values, column)
        return True
    return False
