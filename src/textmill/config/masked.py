"""Types of settings that may contain credentials, which are masked when recorded.

A field of one of these types is shown and recorded as written, with `${oc.env:NAME}` unresolved and
other credentials masked; `get_secret_value` returns the value.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, SecretStr, SerializationInfo
from pydantic_core import CoreSchema, core_schema

from textmill.secrets import (
    HIDDEN,
    MIN_HIDDEN,
    as_written,
    mask_address,
    mask_all,
    mask_block,
    mask_command,
)

MIN_PIECE = 6
"""Minimum length of a part of a secret that is masked on its own."""


class Hidden(SecretStr):
    """A string that may contain credentials.

    Args:
        secret_value: the value.
        written: the value as written in the configuration, references unresolved; None: the value.
    """

    def __init__(self, secret_value: str, written: str | None = None) -> None:
        super().__init__(secret_value)
        self.written = secret_value if written is None else written

    @staticmethod
    def mask(text: str) -> str:
        """Return the text to show; references in it are represented by private-use characters."""
        return mask_all(text)

    def _display(self) -> str:
        return as_written(self.mask, self.written)

    def redact_in(self, text: str) -> str:
        """Return a text with the masked parts of this secret removed."""
        shown, value = self._display(), self.get_secret_value()
        try:
            words = shlex.split(value)
        except ValueError:
            words = value.split()
        pieces = [p for word in words for p in re.split(r"[\s=:,;'\"@?&/()]+", word)]
        hidden = [value, *(word for word in words if len(word) >= MIN_HIDDEN)]
        hidden += [piece for piece in pieces if len(piece) >= MIN_PIECE]
        for word in sorted(hidden, key=len, reverse=True):
            if word and word not in shown:
                text = text.replace(word, HIDDEN)
        return text

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Accept a string or a secret; serialize to JSON masked."""

        def mark(value: Any, inner: Callable[[Any], str]) -> Hidden:
            if isinstance(value, Hidden):
                return cls(value.get_secret_value(), value.written)
            return cls(inner(value))

        def serialize(secret: Hidden, info: SerializationInfo) -> Hidden | str:
            return str(secret) if info.mode == "json" else secret

        return core_schema.no_info_wrap_validator_function(
            mark,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(
                serialize, info_arg=True
            ),
        )


class Address(Hidden):
    """A URL or HOST:PORT; user, password and query parameters are masked."""

    @staticmethod
    def mask(text: str) -> str:
        """Return scheme, host and path."""
        return mask_address(text)


class Command(Hidden):
    """A command line; without references to its secrets, only its program is shown."""

    @staticmethod
    def mask(text: str) -> str:
        """Return the program, or the whole command if it has references."""
        return mask_command(text)


class BlockName(Hidden):
    """A Prefect block, TYPE/NAME; only its type is shown."""

    @staticmethod
    def mask(text: str) -> str:
        """Return the type of the block."""
        return mask_block(text)


def mark_secrets(model: type[BaseModel], values: Any, written: Any = None) -> Any:
    """Return the values of a model with its secret fields wrapped in their types.

    Args:
        model: the model.
        values: its values, nested; values that do not fit are kept, or wrapped if in doubt.
        written: the values as written in the configuration; None: the same.
    """
    if isinstance(values, list | tuple):
        spelt = written if isinstance(written, list) and len(written) == len(values) else values
        return [mark_secrets(model, *pair) for pair in zip(values, spelt, strict=True)]
    if isinstance(values, str) and has_secrets(model):
        return Hidden(values)  # a section is expected here, so the string may be anything
    if not isinstance(values, dict):
        return values
    found = dict(values)
    holds_some = any(_secret_in(field.annotation) for field in model.model_fields.values())
    for name, value in values.items():
        spelling = written.get(name) if isinstance(written, dict) else None
        field = model.model_fields.get(name)
        kind = _secret_in(field.annotation) if field else Hidden if holds_some else None
        if kind and isinstance(value, str):
            found[name] = kind(value, spelling if isinstance(spelling, str) else None)
        elif field:
            for nested in models_in(field.annotation):
                found[name] = mark_secrets(nested, found[name], spelling)
    return found


def secrets_in(values: Any) -> Iterator[Hidden]:
    """Yield the secrets in nested values."""
    if isinstance(values, Hidden):
        yield values
    elif isinstance(values, dict):
        for value in values.values():
            yield from secrets_in(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from secrets_in(value)


def is_masked(secret: Hidden | None) -> bool:
    """Return whether a secret was recorded masked, so that its value is lost."""
    return secret is not None and HIDDEN in secret.get_secret_value()


def has_secrets(model: type[BaseModel]) -> bool:
    """Return whether a model or a nested one has fields that may contain credentials."""
    annotations = [field.annotation for field in model.model_fields.values()]
    return any(
        _secret_in(annotation) or any(map(has_secrets, models_in(annotation)))
        for annotation in annotations
    )


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def _secret_in(annotation: Any) -> type[Hidden] | None:
    """Return the secret type in an annotation, or None."""
    if isinstance(annotation, type) and issubclass(annotation, Hidden):
        return annotation
    found = (_secret_in(part) for part in get_args(annotation))
    return next((kind for kind in found if kind), None)
