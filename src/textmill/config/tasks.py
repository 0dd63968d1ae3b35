"""The settings that all tasks share, and the registry of kinds of task."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, model_validator
from pydantic_core import PydanticCustomError

from textmill.config.data import RedactionConfig
from textmill.config.settings import AUTO, NOT_IN_KEY, Encoding, Location, Settings
from textmill.config.space import SweepConfig
from textmill.config.training import Accelerator, FinetuneConfig


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(" ".join(name.split()) for name in names)
    if "" in names or len({*names}) < len(names):
        raise ValueError("names of labels must be unique and not empty.")
    return names


LabelNames = Annotated[tuple[str, ...], AfterValidator(_different)]
"""Names of the numbers 0, 1, 2, …"""


class CurveConfig(Settings):
    """The learning curve of a task: the curve section of a task, or of all tasks."""

    enabled: Annotated[bool, NOT_IN_KEY] = False
    """Whether it is part of every run and its report; `textmill curve TASK` computes it in either
    case. It trains many models, which budget_minutes does not cover."""
    labels: tuple[Annotated[int, Field(ge=2)], ...] = (100, 500, 2000)
    """Numbers of training examples, increasing; those that the task does not have are left out, and
    all of its examples always come last. Without a validation file, the examples that select the
    best epoch are among them."""
    seeds: int = Field(3, ge=1)
    """Number of repetitions, each with another seed (from finetune.seed on) of training and of the
    choice of examples."""

    @model_validator(mode="after")
    def _labels_increase(self) -> Self:
        if any(after <= before for before, after in pairwise(self.labels)):
            raise ValueError(
                f"labels={[*self.labels]} must increase: write {sorted({*self.labels})}."
            )
        return self


class LabellingConfig(Settings):
    """Texts for people to label: the labelling section of a task, used by `textmill label`."""

    source: Location
    """File of texts without labels (.jsonl, .csv, .tsv, .parquet, or a text per line), with the
    columns of the task's input."""
    labels: Annotated[Location | None, Field(pattern=r"\.jsonl$")] = None
    """JSON Lines file to which labels are appended. Its rows are training examples of the task as
    well. None: beside the source, as SOURCE.TASK.jsonl."""
    n_bytes: Annotated[int | None, Field(ge=0), NOT_IN_KEY] = None
    """Size of the part of that file that a run reads, so that labels may be saved meanwhile. Filled
    in when the run begins."""


class TaskConfig(Settings):
    """Settings of all kinds of task: an entry of tasks, or a file of conf/task/."""

    TEXT_SETTINGS: ClassVar[tuple[str, ...]] = ()
    """Settings of the columns of running text (strings, or lists of words), of which some may not
    be set: those of training are part of the corpus, and it is decontaminated from those of the
    test."""
    INPUT_COLUMNS: ClassVar[Mapping[str, str]] = {}
    """Settings that name columns of a model's input in training data, where they are called
    differently."""
    INPUT_TYPES: ClassVar[Mapping[str, type]] = {}
    """Types that columns of a model's input may have besides str: list, of words, or int."""
    SPECIAL_KINDS: ClassVar[Mapping[str, str]] = {}
    """Kinds that tasks belong to instead, by the setting that makes them so."""

    kind: str
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    """Name of the task in commands, runs and metrics; lower case."""
    train: Location
    """File of training examples (.jsonl, .csv, .tsv, .parquet), or name of the split on the hub."""
    test: Location
    """File of test examples; never used for training or selection."""
    validation: Location | None = None
    """File of examples to select the best epoch; None splits them off the training file."""
    validation_share: float = Field(0.1, gt=0, lt=1)
    """Share of the training examples used for validation without a validation file."""
    hub: Location | None = None
    """Hub dataset id; train, test and validation are then names of its splits."""
    subset: str | None = None
    revision: str | None = None
    encoding: Encoding = AUTO
    """Encoding of the files, as for a source of the corpus."""
    language: Annotated[str, NOT_IN_KEY] = "und"
    """BCP 47 tag of its texts in the corpus, as for a source."""
    licence: Annotated[str, NOT_IN_KEY] = Field("unknown", min_length=1)
    """Terms of use of the examples, for the cards of the models trained on them."""
    follow_links: Annotated[bool, NOT_IN_KEY] = False
    """Read files that are symbolic links out of their folder; otherwise that is an error."""
    max_bad_share: float = Field(0.0, ge=0, le=1)
    """Maximum share of invalid records in a file; the step fails if there are more."""
    on_leak: Literal["report", "drop", "refuse"] = "report"
    """Handling of training examples whose text is also a test example: report them, drop them from
    training (never from the test), or refuse to train."""
    finetune: FinetuneConfig = FinetuneConfig()
    curve: Annotated[CurveConfig, NOT_IN_KEY] = CurveConfig()
    sweep: Annotated[SweepConfig, NOT_IN_KEY] = SweepConfig()
    labelling: Annotated[LabellingConfig | None, NOT_IN_KEY] = None
    """Texts to label by hand, for further training examples."""
    redaction: RedactionConfig = RedactionConfig()
    """Redaction of texts in training, evaluation and prediction. Filled in from corpus.redaction;
    set it there."""

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns in `TEXT_SETTINGS`."""
        columns = (getattr(self, setting) for setting in self.TEXT_SETTINGS)
        return tuple(column for column in columns if column is not None)

    @property
    def example_columns(self) -> tuple[str, ...]:
        """The columns whose texts an example is made of, by which its length is estimated."""
        return self.text_columns

    @property
    def saved_labels(self) -> str | None:
        """The file of labels that were saved by hand, which need not exist; None: there is none."""
        if self.labelling is None:
            return None
        return self.labelling.labels or f"{self.labelling.source}.{self.name}.jsonl"

    @property
    def text_languages(self) -> tuple[str, ...]:
        """BCP 47 tags of `text_columns`."""
        return (self.language,) * len(self.text_columns)

    @property
    def answer_language(self) -> str | None:
        """BCP 47 tag of the language of predictions; None: that of the text."""
        return None

    slices: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Columns of the test file, such as one of languages or sources: scores are also those of the
    examples with each of their values."""
    metrics: tuple[str, ...] = ()
    """Extensions with further metrics of its kind. Filled in from extensions."""
    behaviour: Location | None = None
    """YAML file of tests of its model's behaviour, or the name of one in conf/behaviour/."""
    bias: Location | None = None
    """YAML file of groups of people and templates, or the name of one in conf/bias/: how its model
    differs between texts that differ in a term of a group. For kinds that predict labels."""

    @model_validator(mode="after")
    def _sweep_is_possible(self) -> Self:
        self.sweep.check(self.finetune)
        return self

    @model_validator(mode="after")
    def _labels_can_be_asked_for(self) -> Self:
        if self.labelling is not None and not takes_labels(self.kind):
            raise ValueError(
                f"labelling: textmill label does not support the kind {self.kind}: remove it, and "
                "label the texts with another tool."
            )
        return self

    def settings_of(self, split: str) -> tuple[str, ...]:
        """Return the settings of the files of a split: one file, or two."""
        target = f"{split}_target"
        return (split, target) if getattr(self, target, None) is not None else (split,)


class LabelledConfig(TaskConfig):
    """Settings of kinds of task that predict labels."""

    label_names: LabelNames = ()
    """Names of the numbers in the column of labels, in order, if the file has no names."""


KINDS: dict[str, str] = {
    kind: f"textmill.tasks.{kind}"
    for kind in (
        "classification",
        "generation",
        "multilabel",
        "question_answering",
        "tagging",
        "translation",
    )
}
"""The package of each kind of task."""
CLASSIFYING_KINDS = ("classification", "multilabel")
"""Kinds whose predictions are labels of a text, by which drift is measured."""
LANGUAGE_MODEL = "language_model"
"""The language model, scored and presented like a kind of task, but not configurable as one."""


def settings_of(kind: str) -> type[TaskConfig]:
    """Return the class of a kind's settings.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(type[TaskConfig], import_module(f"{KINDS[kind]}.settings").SETTINGS)


def takes_labels(kind: str) -> bool:
    """Return whether `textmill label` asks people for the labels of a kind."""
    return find_spec(f"{KINDS[kind]}.labelling") is not None


def kind_of(task: Mapping[str, Any]) -> Any:
    """Return the kind of a task's values: the one they name, or a special one of it.

    Values that name no kind are returned as they are.
    """
    kind = task.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return kind
    special = settings_of(kind).SPECIAL_KINDS
    return next((special[name] for name in special if task.get(name) is not None), kind)


def _of_its_kind(value: Any) -> Any:
    """Return the validated settings of a task by its kind; non-mappings are left to pydantic."""
    if isinstance(value, TaskConfig) or not isinstance(value, Mapping):
        return value
    kind = kind_of(value)
    if kind is None:
        raise PydanticCustomError("kind_missing", "kind is not set")
    if not isinstance(kind, str) or kind not in KINDS:
        raise PydanticCustomError("kind_unknown", "kind={kind}", {"kind": kind})
    return settings_of(kind).model_validate({**value, "kind": kind})


AnyTask = Annotated[SerializeAsAny[TaskConfig], BeforeValidator(_of_its_kind)]
"""A task of any kind, discriminated by `kind`."""


class BehaviourStepConfig(Settings):
    """Configuration of the behaviour step, which reads its tests and the model as inputs."""

    kind: str
    accelerator: Accelerator = "auto"
    """That of fine-tuning."""


class CurveStepConfig(Settings):
    """Configuration of the curve step."""

    task: AnyTask
    curve: CurveConfig
