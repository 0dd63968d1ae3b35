"""Columns of records by name, nested ones too, and the names that a file gives its numbers."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from textmill.errors import InputError, listed

Feature = Any
"""What a data set library says of a column, as plain values: `Features.to_dict` of datasets."""

_DEEPEST = 4  # levels of nested columns that messages name


def take(values: Mapping[str, object], column: str) -> object:
    """Return the value of a column; `translation.en` is the `en` inside of `translation`.

    A column of just that name comes first, then one that differs in outer white space.

    Raises:
        KeyError: the record has no such column.
    """
    if column in values:
        return values[column]
    for end, character in enumerate(column):
        inner = values.get(column[:end]) if character == "." else None
        if isinstance(inner, Mapping):
            try:
                return take(inner, column[end + 1 :])
            except KeyError:
                continue
    if column != column.strip():
        return take(values, column.strip())
    raise KeyError(column)


def names_of(values: Mapping[str, object], depth: int = _DEEPEST) -> Iterator[str]:
    """Yield the names of the columns of a record, those inside of others with a dot."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value and depth > 1:
            yield from (f"{name}.{inner}" for inner in names_of(value, depth - 1))
        else:
            yield str(name)


def has(names: Iterable[str], column: str) -> bool:
    """Return whether `take` will find a column where records have these names."""
    wanted = (column, column.strip())
    return any(n in wanted or n.startswith(tuple(f"{w}." for w in wanted)) for n in names)


def check_columns(found: Sequence[str], columns: Mapping[str, str], where: str) -> None:
    """Check that records have the columns that are needed.

    Args:
        found: the names of those that they have.
        columns: those that are needed, each with the setting that names it.
        where: what holds the records.

    Raises:
        InputError: one is missing, or there is more than one of its name.
    """
    for column, setting in columns.items():
        if found.count(column) > 1:
            raise InputError(f"{where} has more than one column {column!r} ({setting}).")
        if has(found, column):
            continue
        inside = [name for name in found if name.rpartition(".")[2] == column.strip()]
        close = inside or difflib.get_close_matches(column, found, n=1)
        guess = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(
            f"{where} has no column {column!r}, which {setting} names; it has "
            f"{listed(map(repr, found))}.{guess} Set {setting} to the right column."
        )


def parquet_features(metadata: Mapping[bytes, bytes] | None) -> dict[str, Feature]:
    """Return what the schema of a Parquet file, if datasets wrote it, says of its columns."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return with_names(features) if isinstance(features, dict) else {}


def with_names(features: Mapping[str, Feature]) -> dict[str, Feature]:
    """Return the columns in which numbers have names."""
    return {name: feature for name, feature in features.items() if _has_names(feature)}


def _has_names(feature: Feature) -> bool:
    if isinstance(feature, Mapping):
        return feature.get("_type") == "ClassLabel" or any(map(_has_names, feature.values()))
    return isinstance(feature, list) and any(map(_has_names, feature))


def named(value: Any, feature: Feature) -> Any:
    """Return a value with the names of numbers that have some; other values stay as they are.

    Test sets without labels hold -1, or nothing: both become None.
    """
    if isinstance(feature, list):  # what stands in such a list
        return [named(item, feature[0]) for item in value or ()] if feature else value
    if not isinstance(feature, Mapping):
        return value
    names = feature.get("names")
    if feature.get("_type") == "ClassLabel" and isinstance(names, list):
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number and value < len(names):
            return names[value] if value >= 0 else None
        return value
    inner = feature.get("feature")
    if isinstance(value, list):
        return [named(item, inner) for item in value] if inner is not None else value
    if isinstance(value, Mapping):
        parts = inner if isinstance(inner, Mapping) and "_type" not in inner else feature
        return {key: named(item, parts.get(key)) for key, item in value.items()}
    return value
