"""Access to columns of records, including nested ones, and names of class labels."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from textmill.errors import InputError, listed

Feature = Any
"""A feature of a column as plain values: an entry of `Features.to_dict` of datasets."""

_DEEPEST = 4  # levels of nested columns named in messages


def get_column(values: Mapping[str, object], column: str) -> object:
    """Return the value of a column; `translation.en` is the `en` inside of `translation`.

    An exact match has precedence; then surrounding white space is ignored.

    Raises:
        KeyError: the record has no such column.
    """
    if column in values:
        return values[column]
    for end, character in enumerate(column):
        inner = values.get(column[:end]) if character == "." else None
        if isinstance(inner, Mapping):
            try:
                return get_column(inner, column[end + 1 :])
            except KeyError:
                continue
    if column != column.strip():
        return get_column(values, column.strip())
    raise KeyError(column)


def column_names(values: Mapping[str, object], depth: int = _DEEPEST) -> Iterator[str]:
    """Yield the names of a record's columns, nested ones with a dot."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value and depth > 1:
            yield from (f"{name}.{inner}" for inner in column_names(value, depth - 1))
        else:
            yield str(name)


def has_column(names: Iterable[str], column: str) -> bool:
    """Return whether `get_column` finds a column in records with these column names."""
    wanted = (column, column.strip())
    return any(n in wanted or n.startswith(tuple(f"{w}." for w in wanted)) for n in names)


def check_columns(found: Sequence[str], columns: Mapping[str, str], where: str) -> None:
    """Raise InputError unless records have the required columns.

    Args:
        found: column names of the records.
        columns: required columns, each with the setting that names it.
        where: the file or dataset, for messages.

    Raises:
        InputError: a column is missing or ambiguous.
    """
    for column, setting in columns.items():
        if found.count(column) > 1:
            raise InputError(
                f"{where} has more than one column {column!r} ({setting}): rename one of them."
            )
        if has_column(found, column):
            continue
        close = closest_column(column, found)
        guess = f" Did you mean {close!r}?" if close else ""
        raise InputError(
            f"{where} has no column {column!r}, which {setting} names; it has "
            f"{listed(map(repr, found))}.{guess} Set {setting} to the right column."
        )


def closest_column(column: str, found: Sequence[str]) -> str | None:
    """Return the name most like that of a missing column, or of the same name within another."""
    inside = [name for name in found if name.rpartition(".")[2] == column.strip()]
    return next(iter(inside or difflib.get_close_matches(column, found, n=1)), None)


def parquet_features(metadata: Mapping[bytes, bytes] | None) -> dict[str, Feature]:
    """Return the class labels in the schema of a Parquet file written by datasets."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return label_features(features) if isinstance(features, dict) else {}
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}


def label_features(features: Mapping[str, Feature]) -> dict[str, Feature]:
    """Return the features with class labels."""
    return {name: feature for name, feature in features.items() if _has_labels(feature)}


def _has_labels(feature: Feature) -> bool:
    if isinstance(feature, Mapping):
        return feature.get("_type") == "ClassLabel" or any(map(_has_labels, feature.values()))
    return isinstance(feature, list) and any(map(_has_labels, feature))


def label_names(value: Any, feature: Feature) -> Any:
    """Return a value with class labels replaced by their names.

    In unlabelled test sets, labels are -1 or null: both become None.
    """
    if isinstance(feature, list):  # the feature of the items
        return [label_names(item, feature[0]) for item in value or ()] if feature else value
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
        return [label_names(item, inner) for item in value] if inner is not None else value
    if isinstance(value, Mapping):
        parts = inner if isinstance(inner, Mapping) and "_type" not in inner else feature
        return {key: label_names(item, parts.get(key)) for key, item in value.items()}
    return value
