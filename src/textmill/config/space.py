"""The settings of a search for the best fine-tuning of a task."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Self, TypeVar, get_args

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from textmill.config.masked import models_in
from textmill.config.settings import Settings, is_excluded
from textmill.config.training import FinetuneConfig

SECTION = "finetune"
NOT_SEARCHED = frozenset(
    {
        *("seed", "seeds"),  # the examples of validation, and what is compared, depend on them
        "folds",  # they measure a training, and change no model
        "candidates",  # chosen by validation anyway
        *("accelerator", "precision"),  # the machine decides
        "log_every_steps",
    }
)

Value = bool | int | float | str | None
"""The value of a setting."""
Number = Annotated[float, Field(allow_inf_nan=False)]
F = TypeVar("F", bound=FinetuneConfig)


class ValuesConfig(Settings):
    """The values of a setting that a search tries: a range of numbers, or a list of values.

    Written `{low: 1, high: 8}` or `[0.0, 0.1, 0.3]`.
    """

    low: Number | None = None
    high: Number | None = None
    """The end of a range, which it includes; whole numbers for a setting whose numbers are."""
    log: bool = False
    """Search the range uniformly in the logarithm, as for learning rates."""
    values: tuple[Value, ...] = ()
    """A list instead of a range."""

    @model_validator(mode="before")
    @classmethod
    def _as_mapping(cls, given: Any) -> Any:
        if isinstance(given, Mapping | ValuesConfig):
            return given
        if isinstance(given, list | tuple) and not any(isinstance(v, list | dict) for v in given):
            return {"values": given}
        raise ValueError(f"{given} is neither a list of values nor {{low: …, high: …}}: write one.")

    @model_validator(mode="after")
    def _is_range_or_list(self) -> Self:
        if self.values and (self.low, self.high, self.log) == (None, None, False):
            return self
        if self.values or self.low is None or self.high is None:
            raise ValueError("a range needs low and high, and a list some values: set them.")
        if self.low >= self.high:
            raise ValueError(f"low={self.low:g} is not below high={self.high:g}: change them.")
        if self.log and self.low <= 0:
            raise ValueError(f"log=true needs positive numbers, and low={self.low:g}: raise it.")
        return self

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The ends of a range; None: it is a list."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def _flattened(space: Any) -> Any:
    """Return a space with dotted keys, as those of the command line are nested.

    Keys without a value are left out: they remove those of a shared section.
    """
    return dict(_settings(space)) if isinstance(space, Mapping) else space


def _settings(space: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, values in space.items():
        key = f"{prefix}{name}"
        if isinstance(values, Mapping) and not values.keys() & ValuesConfig.model_fields.keys():
            yield from _settings(values, f"{key}.")
        elif values is not None:
            yield key, values


Space = Annotated[dict[str, ValuesConfig], BeforeValidator(_flattened), Field(min_length=1)]


class SweepConfig(Settings):
    """The search for the best fine-tuning of a task: the sweep section of a task, or of all tasks.

    `textmill sweep TASK` runs it. The validation score decides, never that of the test.
    """

    trials: int = Field(20, gt=0)
    """Settings that are tried, besides those that are set."""
    space: Space = {
        "finetune.learning_rate": ValuesConfig(low=1e-4, high=4e-3, log=True),
        "finetune.dropout": ValuesConfig(values=(0.0, 0.1, 0.2)),
        "finetune.label_smoothing": ValuesConfig(values=(0.0, 0.05, 0.1)),
    }
    """Settings of the finetune section to search, each a range of numbers or a list of values. Keys
    of a task's space add to those of the shared section; null removes one."""
    prune: bool = True
    """Stop a trial whose best validation score so far is below the median of the earlier trials at
    the same epoch (Golovin et al. 2017, section 3.2.2), from the sixth trial on."""
    seed: int = 0
    """Seed of the search: the same seed and scores give the same trials."""
    max_hours: float | None = Field(None, gt=0)
    """Maximum training time of all trials, resumed and reused ones included, after which no further
    one begins. None: no limit."""

    def check(self, finetune: FinetuneConfig) -> None:
        """Check that the space fits a finetune section.

        Raises:
            ValueError: a setting does not exist, cannot be searched, or cannot have a value.
        """
        known = searchable(type(finetune))
        for key, values in self.space.items():
            place = f"sweep.space.{key}"
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}."
                raise ValueError(f"{place} cannot be searched: {hint}")
            if values.bounds and not _is_number(known[key]):
                raise ValueError(f"{place} is not a number: write a list of values.")
            for value in values.bounds or values.values:
                try:
                    with_settings(finetune, {key: value})
                except ValidationError as error:
                    problem = error.errors()[0]["msg"].removeprefix("Value error, ")
                    raise ValueError(f"{place}: {value!r} is not possible: {problem}.") from None


def searchable(section: type[Settings], prefix: str = f"{SECTION}.") -> dict[str, FieldInfo]:
    """Return the settings of a section, and those nested in it, that a search can choose."""
    found: dict[str, FieldInfo] = {}
    for name, field in section.model_fields.items():
        if is_excluded(field) or name in NOT_SEARCHED:
            continue
        nested = [one for one in models_in(field.annotation) if issubclass(one, Settings)]
        for inner in nested:
            found |= searchable(inner, f"{prefix}{name}.")
        if not nested:
            found[f"{prefix}{name}"] = field
    return found


def is_whole(field: FieldInfo) -> bool:
    """Return whether the numbers that a setting can have are whole."""
    return int in _types(field) and float not in _types(field)


def _is_number(field: FieldInfo) -> bool:
    return bool({int, float} & _types(field))


def _types(field: FieldInfo) -> set[Any]:
    return {field.annotation, *get_args(field.annotation)}


def with_settings(finetune: F, settings: Mapping[str, Value]) -> F:
    """Return a finetune section with other settings, as if they had been set at first.

    Defaults that depend on them are those of the new values.

    Args:
        finetune: the section.
        settings: the values, by dotted key.

    Raises:
        ValidationError: a value is invalid.
    """
    values = finetune.model_dump(exclude_unset=True)
    for key, value in settings.items():
        section = values
        *path, name = key.removeprefix(f"{SECTION}.").split(".")
        for part in path:
            section[part] = section.get(part) or {}  # one that is off, or not set, has its defaults
            section = section[part]
        section[name] = value
    return type(finetune).model_validate(values)


def present_settings(finetune: FinetuneConfig, keys: Iterable[str]) -> dict[str, Value]:
    """Return the values of a finetune section, by dotted key."""
    found: dict[str, Value] = {}
    for key in keys:
        value: Any = finetune
        for part in key.removeprefix(f"{SECTION}.").split("."):
            value = getattr(value, part, None)  # of a section that is off
        found[key] = value
    return found
