"""The tasks, a class for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny
from pydantic_core import PydanticCustomError

from textmill.config.data import RedactionConfig
from textmill.config.settings import AUTO, NOT_IN_KEY, Encoding, Location, Settings
from textmill.config.training import FinetuneConfig


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(" ".join(name.split()) for name in names)
    if "" in names or len({*names}) < len(names):
        raise ValueError("names of labels must be different from each other and not empty.")
    return names


LabelNames = Annotated[tuple[str, ...], AfterValidator(_different)]
"""What the numbers 0, 1, 2, … stand for."""


class TaskConfig(Settings):
    """What all kinds of task have in common: an entry of tasks, or a file of conf/task/."""

    TEXT_SETTINGS: ClassVar[tuple[str, ...]]
    """The settings that name the columns of text, which no document of the corpus should hold."""

    kind: str
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    """Name of the task in commands, runs and metrics; lower case."""
    train: Location
    """File of training examples (.jsonl, .csv or .parquet), or the split's name on the hub."""
    test: Location
    """File of test examples; never used for training or selection."""
    validation: Location | None = None
    """File of examples to select the best epoch by; None splits them off the training file."""
    validation_share: float = Field(0.1, gt=0, lt=1)
    """Share of the training examples used for validation when no file is given."""
    hub: Location | None = None
    """Hub data set id; train, test and validation then name its splits."""
    subset: str | None = None
    revision: str | None = None
    encoding: Encoding = AUTO
    """Of the files, as in a source of the corpus."""
    follow_links: Annotated[bool, NOT_IN_KEY] = False
    """Read files that are symbolic links out of their folder; otherwise that is an error."""
    max_bad_share: float = Field(0.0, ge=0, le=1)
    """The step stops when more than this share of a file's records cannot be read."""
    on_leak: Literal["report", "drop", "refuse"] = "report"
    """What to do about training examples whose text is that of a test example: report them, drop
    them from training (never from the test), or refuse to train."""
    finetune: FinetuneConfig = FinetuneConfig()
    redaction: RedactionConfig = RedactionConfig()
    """How texts are redacted before they are trained or measured on, and what the model is asked.
    Filled in from corpus.redaction, which is the one switch."""

    @property
    def answer_language(self) -> str | None:
        """BCP 47 tag of the language of its answers; None: that of the text."""
        return None

    metrics: tuple[str, ...] = ()
    """Extensions that define further metrics of its kind. Filled in from extensions."""

    def settings_of(self, split: str) -> tuple[str, ...]:
        """Return the settings that name what a split consists of: one file, or two."""
        target = f"{split}_target"
        return (split, target) if getattr(self, target, None) is not None else (split,)


class LabelledConfig(TaskConfig):
    """What kinds of task whose answers are labels have in common."""

    label_names: LabelNames = ()
    """What the numbers in the column of labels stand for, in their order, where the file has no
    names."""


KINDS: dict[str, str] = {
    kind: f"textmill.tasks.{kind}" for kind in ("classification", "tagging", "translation")
}
"""The package of each kind of task."""
LANGUAGE_MODEL = "language_model"
"""What is scored and shown like a kind of task, but is none that can be set."""


def settings_of(kind: str) -> type[TaskConfig]:
    """Return the class of a kind's settings, which its package defines.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(type[TaskConfig], import_module(f"{KINDS[kind]}.settings").SETTINGS)


def _of_its_kind(value: Any) -> Any:
    """Return the settings of a task by its kind; what is no mapping is left to pydantic."""
    if isinstance(value, TaskConfig) or not isinstance(value, Mapping):
        return value
    kind = value.get("kind")
    if kind is None:
        raise PydanticCustomError("kind_missing", "kind is not set")
    if not isinstance(kind, str) or kind not in KINDS:
        raise PydanticCustomError("kind_unknown", "kind={kind}", {"kind": kind})
    return settings_of(kind).model_validate(value)


AnyTask = Annotated[SerializeAsAny[TaskConfig], BeforeValidator(_of_its_kind)]
"""Every kind of task, told apart by `kind`."""
