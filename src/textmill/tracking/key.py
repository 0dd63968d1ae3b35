"""The key of a step: a digest of all that can change its result, and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from textmill.config import NOT_IN_KEY
from textmill.files import digest_values
from textmill.tracking.step import Step, code_of


def describe_step(step: Step, config: BaseModel, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return what the key is made of, as plain values.

    Args:
        step: the step.
        config: its validated configuration.
        inputs: digest of the content of every input, by name.
    """
    code = code_of(step)
    return {
        "step": step.name,
        "config": key_values(config),
        "inputs": dict(inputs),
        "code": code.modules,
        "packages": code.packages,
    }


def key_of(description: Mapping[str, Any]) -> str:
    """Return the key for a description, 64 hexadecimal digits."""
    return digest_values(description)


def key_values(config: BaseModel) -> dict[str, Any]:
    """Return the fields of a configuration that can change a result, as plain values."""
    return {
        name: _plain(getattr(config, name))
        for name, field in type(config).model_fields.items()
        if not _is_left_out(field)
    }


def _is_left_out(field: FieldInfo) -> bool:
    """Return whether a field is marked; on an optional one the mark sits on its inner type."""
    inner = [getattr(part, "__metadata__", ()) for part in get_args(field.annotation)]
    return any(NOT_IN_KEY in marks for marks in (field.metadata, *inner))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return key_values(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
