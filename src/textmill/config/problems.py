"""Validation of a configuration, with messages that have keys as users write them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from textmill.config import KINDS, Config, kind_of, settings_of
from textmill.config.masked import models_in
from textmill.errors import InputError, listed


def validate(values: Mapping[str, Any], name: str) -> Config:
    """Return the values as a Config.

    Args:
        values: by section, nested.
        name: of the configuration, for the message.

    Raises:
        InputError: a value is invalid; the message has one line per value, with its key.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = [dict(problem) for problem in error.errors()]
        lines = [
            describe_problem(problem, values)
            for problem in problems
            if not is_consequence(problem, problems)
        ]
        raise InputError("\n".join([f"The configuration {name} is invalid:", *lines])) from None


def validate_copy(config: Config, name: str) -> Config:
    """Return a changed copy of a configuration as a validated one; what is not set stays so.

    pydantic's `model_copy` checks nothing, although values may have been allowed only because
    others, such as sizes that are chosen later, were not known.

    Raises:
        InputError: as for `validate`.
    """
    return validate(config.model_dump(exclude_unset=True), name)


def is_consequence(problem: dict[str, Any], problems: Sequence[dict[str, Any]]) -> bool:
    """Return whether a list is too short only because pydantic does not count invalid items."""
    place = problem["loc"]
    return problem["type"] == "too_short" and any(
        other is not problem and other["loc"][: len(place)] == place for other in problems
    )


def describe_problem(problem: dict[str, Any], values: Mapping[str, Any]) -> str:
    """Return one line for a pydantic error: the key, the problem, and the valid values."""
    loc = list(problem["loc"])
    kind = None
    if loc[:1] == ["tasks"] and len(loc) > 1 and isinstance(task := values["tasks"][loc[1]], dict):
        kind = kind_of(task)
        loc[1] = task.get("name", loc[1])  # as in tasks.NAME.key=value
    key = ".".join(str(part) for part in loc)
    given = "" if isinstance(problem["input"], dict | list) else f"={problem['input']}"
    match problem["type"]:
        case "extra_forbidden":
            return f"  {_unknown_key(key, kind)}"
        case "missing":
            return f"  {key} is required: set it."
        case "kind_unknown" | "kind_missing":
            return f"  {key}.{problem['msg']}: choose one of {', '.join(KINDS)}."
        case "model_type":
            return f"  {key}{given}: it is a section: set {key}.NAME=VALUE."
        case "value_error":
            return f"  {key}: {problem['msg'].removeprefix('Value error, ')}".replace("  : ", "  ")
    return f"  {key}{given}: {problem['msg'][0].lower()}{problem['msg'][1:]}."


def _unknown_key(key: str, kind: str | None) -> str:
    *path, last = key.split(".")
    known = _known_keys(path, kind)
    close = difflib.get_close_matches(last, known, n=1)
    hint = f" Did you mean {'.'.join([*path, close[0]])}?" if close else ""
    where = f"keys of {'.'.join(path)}" if path else "keys"
    return f"{key} is not a setting.{hint} The {where} are {listed(known)}."


def _known_keys(path: Sequence[str], kind: str | None) -> list[str]:
    """Return the settings at a dotted path; within a task, those of its kind."""
    model: type[BaseModel] = Config
    for part in path:
        if part.isdigit() or part not in model.model_fields:
            continue
        nested = models_in(model.model_fields[part].annotation)
        if model is Config and part == "tasks" and kind is not None:
            nested = [settings_of(kind)]
        model = nested[0] if nested else model
    return list(model.model_fields)
