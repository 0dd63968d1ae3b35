"""The key of a step: a digest of everything that can change its result, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from textmill.config import KINDS, key_values
from textmill.files import digest_values
from textmill.steps.step import Step, code_of


def describe_step(step: Step, config: BaseModel, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the components of the key as plain values.

    Args:
        step: the step.
        config: its validated configuration.
        inputs: content digest of every input, by name.
    """
    values = key_values(config)
    code = code_of(step, kind_of(values))
    return {
        "step": step.name,
        "config": values,
        "inputs": dict(inputs),
        "code": code.modules,
        "packages": code.packages,
    }


def kind_of(values: Mapping[str, Any]) -> str | None:
    """Return the kind of the task whose configuration these plain values are, or None."""
    return values["kind"] if values.get("kind") in KINDS else None


def key_of(description: Mapping[str, Any]) -> str:
    """Return the key of a description, 64 hexadecimal digits."""
    return digest_values(description)
