"""The sizes chosen for a budget, in the configuration of the steps that follow.

The steps' own configurations have all sizes, so that a key contains the sizes that a step uses, and
not how they were chosen: results with the same sizes are shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from textmill.config import Config, Sizes
from textmill.config.problems import validate_copy
from textmill.files import parse_json

FILE = "sizes.json"

Section = TypeVar("Section", bound=BaseModel)


def read_sizes(file: Path) -> Sizes:
    """Return the sizes that the budget step has chosen.

    Args:
        file: sizes.json in its result, verified.
    """
    return Sizes.model_validate(parse_json(file.read_bytes(), file))


def with_sizes(config: Config, sizes: Sizes) -> Config:
    """Return a configuration whose open sizes are those that were chosen.

    Raises:
        InputError: a setting does not fit a size that was chosen.
    """
    tasks = tuple(
        task.model_copy(update={"finetune": _filled(task.finetune, sizes.tasks.get(task.name, {}))})
        for task in config.tasks
    )
    filled = config.model_copy(
        update={
            "tokenizer": _filled(config.tokenizer, sizes.tokenizer),
            "model": _filled(config.model, sizes.model),
            "pretrain": _filled(config.pretrain, sizes.pretrain),
            "tasks": tasks,
        }
    )
    return validate_copy(filled, "with the sizes chosen for budget_minutes")


def _filled(section: Section, values: Mapping[str, float]) -> Section:
    """Return a section whose fields that are None have these values."""
    new: dict[str, Any] = {k: v for k, v in values.items() if getattr(section, k) is None}
    return section.model_copy(update=new)
