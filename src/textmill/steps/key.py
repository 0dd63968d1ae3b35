"""The key of a step: a digest of everything that can change its result, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from textmill.config import key_values
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
    code = code_of(step, values)
    return {
        "step": step.name,
        "config": values,
        "inputs": dict(inputs),
        "code": code.modules,
        "packages": code.packages,
    }


def key_of(description: Mapping[str, Any]) -> str:
    """Return the key of a description, 64 hexadecimal digits."""
    return digest_values(description)
