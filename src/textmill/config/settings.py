"""What all groups have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _NotInKey:
    """Marks a field that cannot change the result of a step."""


NOT_IN_KEY = _NotInKey()

Location = Annotated[str, Field(min_length=1), NOT_IN_KEY]
"""A file, folder or glob. Steps are keyed by the digests of files, never by where they lie."""


class Settings(BaseModel):
    """Base of all groups: unknown keys are errors, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
