"""Inputs of task models: a text, a list of words, or one value for each of several columns."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Value = str | Sequence[str]
"""A text, or a list of words."""
Input = Value | Mapping[str, Value | int]
"""The input of a model; a mapping, by column, if it has several."""


def size_of(given: Input) -> int:
    """Return the number of characters of an input's texts, or of its words if these are given."""
    return sum(map(len, _values(given)))


def text_of(given: Input) -> str:
    """Return an input's texts as one, with a line for each; words are joined by spaces."""
    return "\n".join(v if isinstance(v, str) else " ".join(v) for v in _values(given))


def text_key(given: Input) -> bytes:
    """Return a hash that is equal for inputs that count as the same; words are joined.

    Texts are compared without regard to case, white space and Unicode composition, in which copies
    from spreadsheets and scrapers differ.
    """
    plain = "\0".join(map(_plain, _values(given)))
    return hashlib.blake2b(plain.encode(errors="surrogatepass"), digest_size=16).digest()


def checked(given: Any, columns: Sequence[str]) -> Input:
    """Return the input of a model that somebody has passed.

    Args:
        given: a text, or a mapping if there are several columns; further entries are ignored.
        columns: the columns of the kind of task; a single one is the text itself.

    Raises:
        ValueError: it has another form, or a value is not a string.
    """
    if len(columns) == 1:
        if not isinstance(given, str):
            raise ValueError(f"{_shown(given)} is not a string")
        return without_surrogates(given)
    names = " and ".join(columns)
    if not isinstance(given, Mapping):
        raise ValueError(f"{_shown(given)} has no {names}: pass an object with these")
    for column in columns:
        if not isinstance(given.get(column), str):
            raise ValueError(f"{_shown(given)} has no string {column!r}: it needs {names}")
    return {column: without_surrogates(given[column]) for column in columns}


def without_surrogates(text: str) -> str:
    """Return a text of the same length without lone surrogates, which JSON can contain."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _values(given: Input) -> Iterator[Value]:
    if isinstance(given, Mapping):
        yield from (str(one) if isinstance(one, int) else one for one in given.values())
    else:
        yield given


def _plain(value: Value) -> str:
    words = value.split() if isinstance(value, str) else value
    return unicodedata.normalize("NFC", " ".join(" ".join(words).split())).casefold()


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]} …"
