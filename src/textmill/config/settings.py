"""Base class and field types of all configuration groups."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class _NotInKey:
    """Marks a field that cannot change the result of a step."""


NOT_IN_KEY = _NotInKey()

Location = Annotated[str, Field(min_length=1), NOT_IN_KEY]
"""A file, folder or glob. Keys of steps contain the digests of files, never their locations."""

AUTO = "auto"
"""As the language of a source: identified per document; as an encoding: detected per file."""

_NOT_OF_FILES = ("idna", "punycode", "unicode-escape", "raw-unicode-escape")


def _normalize_encoding(name: str) -> str:
    """Return Python's canonical name of an encoding, so that aliases give the same key."""
    if name == AUTO:
        return name
    try:
        known = codecs.lookup(name).name
        if known not in _NOT_OF_FILES and "\n".encode(known).decode(known) == "\n":
            return known.removesuffix("-sig")
    except (LookupError, ValueError):  # an unknown name, or a codec that does not decode text
        pass
    raise ValueError(
        f"unknown encoding {name!r}: use auto to detect it, or a name such as utf-8, windows-1252, "
        "utf-16, gb18030, big5, shift_jis or koi8-r."
    )


Encoding = Annotated[str, AfterValidator(_normalize_encoding)]
"""Python's canonical name of an encoding, or auto."""


class Settings(BaseModel):
    """Base of all groups: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def key_values(config: BaseModel) -> dict[str, Any]:
    """Return the fields of a configuration that can change a result, as plain values."""
    return {
        name: _plain(getattr(config, name))
        for name, field in type(config).model_fields.items()
        if not is_excluded(field)
    }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one with dotted keys; lists of mappings by their `name`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            flat |= flatten({item["name"]: item for item in value}, f"{name}.")
        else:
            flat[name] = value
    return flat


def is_excluded(field: FieldInfo) -> bool:
    """Return whether a field is marked; on an optional field the marker is on the inner type."""
    inner = [getattr(part, "__metadata__", ()) for part in get_args(field.annotation)]
    return any(NOT_IN_KEY in marks for marks in (field.metadata, *inner))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return key_values(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
