"""The tasks, a class for each kind."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

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

    def settings_of(self, split: str) -> tuple[str, ...]:
        """Return the settings that name what a split consists of: one file, or two."""
        target = f"{split}_target"
        return (split, target) if getattr(self, target, None) is not None else (split,)


class ClassificationConfig(TaskConfig):
    """One label for a text."""

    TEXT_SETTINGS = ("text",)

    kind: Literal["classification"]
    text: str = "text"
    """Column that holds the text."""
    label: str = "label"
    """Column that holds the label."""
    label_names: LabelNames = ()
    """What the numbers in that column stand for, in their order, where the file has no names."""


class TaggingConfig(TaskConfig):
    """The entities of a text, from a tag for each of its words."""

    TEXT_SETTINGS = ("tokens",)

    kind: Literal["tagging"]
    tokens: str = "tokens"
    """Column that holds the list of words."""
    tags: str = "ner_tags"
    """Column that holds the list of their tags in strict IOB2: O, B-TYPE, I-TYPE."""
    label_names: LabelNames = ()
    """What the numbers in that column stand for, in their order, where the file has no names."""


class TranslationFinetuneConfig(FinetuneConfig):
    """Fine-tuning of a translation task: the target is written from its beginning to its end."""

    attention: Literal["causal"] = "causal"


class TranslationConfig(TaskConfig):
    """A text in another language."""

    TEXT_SETTINGS = ("source", "target")

    kind: Literal["translation"]
    source: str = "source"
    """Column that holds the text to translate."""
    target: str = "target"
    """Column that holds its translation."""
    target_language: str = "und"
    """BCP 47 tag of the target's language, by which BLEU tells words apart; "und" when unknown."""
    train_target: Location | None = None
    """Plain text with the translation of each line of `train`, which then is plain text too."""
    test_target: Location | None = None
    """The same for `test`."""
    validation_target: Location | None = None
    """The same for `validation`."""
    source_share: float = Field(0.5, gt=0, lt=1)
    """Largest share of the context that a source may take; a longer one is cut."""
    finetune: TranslationFinetuneConfig = TranslationFinetuneConfig()

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        if self.source == self.target:
            raise ValueError(f"source and target are one column, {self.source!r}: name two.")
        return self

    @model_validator(mode="after")
    def _targets_have_sources(self) -> Self:
        if self.hub is not None and (self.train_target or self.test_target):
            raise ValueError(
                "a hub data set has columns for source and target: leave out train_target and "
                "test_target, or hub."
            )
        if self.validation_target is not None and (self.validation is None or self.hub is not None):
            raise ValueError("validation_target needs a file of sources: set validation too.")
        return self


AnyTask = Annotated[
    ClassificationConfig | TaggingConfig | TranslationConfig, Field(discriminator="kind")
]
"""Every kind of task, told apart by `kind`."""
KINDS: dict[str, type[TaskConfig]] = {
    get_args(task.model_fields["kind"].annotation)[0]: task for task in TaskConfig.__subclasses__()
}
"""The settings of a task by its kind."""
