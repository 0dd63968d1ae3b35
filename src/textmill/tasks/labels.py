"""Parsing of labels, tags and texts in records, with error messages for invalid values."""

from __future__ import annotations

import datetime
import decimal
import math
import unicodedata

from textmill.config import LabelledConfig

_LABEL_TYPES = (bool, int, float, decimal.Decimal, datetime.date, datetime.time)
"""Types besides strings that are converted to labels with `str`."""
MAX_SHOWN_CHARS = 60


def as_text(value: object, column: str) -> str:
    """Return the text in a column.

    Raises:
        ValueError: the value is empty or not a string.
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"column {column!r} holds no text: {describe_value(value)}")
    return value


def as_list(value: object, column: str) -> list[object]:
    """Return the non-empty list in a column.

    Raises:
        ValueError: the value is empty or not a list.
    """
    if not isinstance(value, list) or not value:
        raise ValueError(f"column {column!r} holds no list of strings: {describe_value(value)}")
    return value


def as_words(value: object, column: str) -> tuple[str, ...]:
    """Return the list of words in a column.

    Raises:
        ValueError: the value is not a non-empty list of strings.
    """
    words = as_list(value, column)
    for word in words:
        if not isinstance(word, str):
            raise ValueError(
                f"column {column!r} holds an entry that is not a string: {describe_value(word)}"
            )
    return tuple(map(str, words))


def describe_value(value: object) -> str:
    """Return the type and beginning of an invalid value, for an error message."""
    if value is None:
        return "it is null"
    if isinstance(value, str) and not value.strip():
        return "it is empty"
    shown = repr(value)
    shown = shown if len(shown) <= MAX_SHOWN_CHARS else f"{shown[:MAX_SHOWN_CHARS]} …"
    advice = ": select a field of it as COLUMN.FIELD" if isinstance(value, dict) else ""
    return f"{shown} is of type {type(value).__name__}{advice}"


def normalize_label(label: str) -> str:
    """Return a label with single spaces, stripped, and in Unicode's composed form (NFC)."""
    return unicodedata.normalize("NFC", " ".join(label.split()))


class Labels:
    """Parses the labels or tags of a split.

    Args:
        config: the task; its `label_names` map numbers to names.
        column: the column of labels or tags.
    """

    def __init__(self, config: LabelledConfig, column: str) -> None:
        self._setting = f"tasks.{config.name}.label_names"
        self._names = config.label_names
        self._column = column
        self.normalized: dict[str, str] = {}
        """Labels that were changed by normalization."""

    def label(self, value: object) -> str:
        """Return the label of a value.

        Raises:
            ValueError: the value is not a label.
        """
        if self._names:
            return self._named(value)
        is_infinite = isinstance(value, float | decimal.Decimal) and not math.isfinite(value)
        if isinstance(value, str) and value.strip():
            label = normalize_label(value)
            if label != value:
                self.normalized[value] = label
            return label
        if isinstance(value, _LABEL_TYPES) and not is_infinite:
            return str(value)
        raise ValueError(f"column {self._column!r} holds no label: {describe_value(value)}")

    def tags(self, value: object) -> tuple[str, ...]:
        """Return the tags of a list.

        Raises:
            ValueError: the value is not a list of tags.
        """
        return tuple(self._tag(item) for item in as_list(value, self._column))

    def _tag(self, value: object) -> str:
        if self._names:
            return self._named(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(
                f"column {self._column!r} holds numbers, such as {value}, and the file has no "
                f"names for them: list the names in order, {self._setting}=[O,B-PER,I-PER,…]"
            )
        if not isinstance(value, str):
            raise ValueError(
                f"column {self._column!r} holds an entry that is not a string: "
                f"{describe_value(value)}"
            )
        prefix = value.lstrip()[:2]
        if prefix not in ("B-", "I-"):
            return value.strip()
        tag = f"{prefix}{normalize_label(value.lstrip()[2:])}"
        if tag != value:
            self.normalized[value] = tag
        return tag

    def _named(self, value: object) -> str:
        """Return the name of a number; accepts names, and numbers as text, as well."""
        text = value
        if isinstance(value, str):
            text = normalize_label(value)
            if text in self._names:
                return str(text)
        try:
            number = int(str(text).removesuffix(".0"))
            if 0 <= number < len(self._names) and not isinstance(value, bool):
                return self._names[number]
        except ValueError:
            pass
        raise ValueError(
            f"column {self._column!r} holds {str(value)[:MAX_SHOWN_CHARS]!r}, for which "
            f"{self._setting} has no name: it names the numbers from 0 to {len(self._names) - 1}"
        )


def normalization_note(normalized: dict[str, str]) -> str:
    """Return a note about labels that were changed by normalization; empty if none were."""
    if not normalized:
        return ""
    (original, label), *others = sorted(normalized.items())
    more = f", and {len(others)} more in the same way" if others else ""
    return f"the label {original!r} is read as {label!r}{more}: white space is normalized"
