"""Labels, tags and texts as records hold them: what can be used, and what a message says."""

from __future__ import annotations

import datetime
import decimal
import math
import unicodedata

from textmill.config import LabelledConfig

_WRITTEN = (bool, int, float, decimal.Decimal, datetime.date, datetime.time)
"""Values that are labels by their written form."""
_SHOWN_CHARS = 60


def as_text(value: object, column: str) -> str:
    """Return the text that a column holds.

    Raises:
        ValueError: it holds something else; the message says what.
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"column {column!r} holds no text: {described(value)}")
    return value


def as_list(value: object, column: str) -> list[object]:
    """Return the list that a column holds, which has an entry at least.

    Raises:
        ValueError: it holds something else.
    """
    if not isinstance(value, list) or not value:
        raise ValueError(f"column {column!r} holds no list of strings: {described(value)}")
    return value


def as_words(value: object, column: str) -> tuple[str, ...]:
    """Return the list of words that a column holds.

    Raises:
        ValueError: it holds something else.
    """
    words = as_list(value, column)
    for word in words:
        if not isinstance(word, str):
            raise ValueError(
                f"column {column!r} holds an entry that is no string: {described(word)}"
            )
    return tuple(map(str, words))


def described(value: object) -> str:
    """Return what a value is, for a message."""
    if value is None:
        return "it is null"
    if isinstance(value, str) and not value.strip():
        return "it is empty"
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS]} …"
    advice = (
        ", of which the setting can name a column with a dot" if isinstance(value, dict) else ""
    )
    return f"{shown} is of type {type(value).__name__}{advice}"


def same_spelling(label: str) -> str:
    """Return a label in the one spelling of those that look alike.

    Without outer white space, with single spaces, and in Unicode's composed form (NFC).
    """
    return unicodedata.normalize("NFC", " ".join(label.split()))


class Labels:
    """Reads the labels, or the tags, of a split.

    Args:
        config: whose `label_names` name numbers.
        column: which holds them.
    """

    def __init__(self, config: LabelledConfig, column: str) -> None:
        self._setting = f"tasks.{config.name}.label_names"
        self._names = config.label_names
        self._column = column
        self.respelled: dict[str, str] = {}
        """Labels that are read as another spelling of theirs."""

    def label(self, value: object) -> str:
        """Return the label that a value stands for.

        Raises:
            ValueError: it stands for none.
        """
        if self._names:
            return self._named(value)
        is_endless = isinstance(value, float | decimal.Decimal) and not math.isfinite(value)
        if isinstance(value, str) and value.strip():
            label = same_spelling(value)
            if label != value:
                self.respelled[value] = label
            return label
        if isinstance(value, _WRITTEN) and not is_endless:
            return str(value)
        raise ValueError(f"column {self._column!r} holds no label: {described(value)}")

    def tags(self, value: object) -> tuple[str, ...]:
        """Return the tags that a list stands for.

        Raises:
            ValueError: it is no list, or an entry is no tag.
        """
        return tuple(self._tag(item) for item in as_list(value, self._column))

    def _tag(self, value: object) -> str:
        if self._names:
            return self._named(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(
                f"column {self._column!r} holds numbers, such as {value}, and the file has no "
                f"names for them: list these in their order, {self._setting}=[O,B-PER,I-PER,…]"
            )
        if not isinstance(value, str):
            raise ValueError(
                f"column {self._column!r} holds an entry that is no string: {described(value)}"
            )
        prefix = value.lstrip()[:2]
        if prefix not in ("B-", "I-"):
            return value.strip()
        tag = f"{prefix}{same_spelling(value.lstrip()[2:])}"
        if tag != value:
            self.respelled[value] = tag
        return tag

    def _named(self, value: object) -> str:
        """Return the name of a number; names themselves, and numbers in text, are taken as well."""
        written = value
        if isinstance(value, str):
            written = same_spelling(value)
            if written in self._names:
                return str(written)
        try:
            number = int(str(written).removesuffix(".0"))
            if 0 <= number < len(self._names) and not isinstance(value, bool):
                return self._names[number]
        except ValueError:
            pass
        raise ValueError(
            f"column {self._column!r} holds {str(value)[:_SHOWN_CHARS]!r}, for which "
            f"{self._setting} has no name: it has those of 0 to {len(self._names) - 1}"
        )


def respelling_note(respelled: dict[str, str]) -> str:
    """Return in words which labels are read as another spelling; empty if none are."""
    if not respelled:
        return ""
    (written, label), *others = sorted(respelled.items())
    more = f" and {len(others)} more alike" if others else ""
    return f"the label {written!r} is read as {label!r}{more}: white space sets no labels apart"
