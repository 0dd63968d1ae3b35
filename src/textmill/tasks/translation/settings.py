"""The settings of a translation task."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from textmill.config import FinetuneConfig, Location, TaskConfig


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

    @property
    def answer_language(self) -> str:
        """BCP 47 tag of the language of its answers."""
        return self.target_language

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


SETTINGS = TranslationConfig
"""The class of the settings of this kind."""
