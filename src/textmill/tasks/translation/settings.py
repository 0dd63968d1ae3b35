"""The settings of translation."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from textmill.config import FinetuneConfig, Location, TaskConfig


class TranslationFinetuneConfig(FinetuneConfig):
    """Fine-tuning of a translation task; the target is generated from left to right."""

    attention: Literal["causal"] = "causal"
    learning_rate: float = Field(2e-3, gt=0)
    """Higher than that of other kinds: a translation is learned from the task's examples alone."""


class TranslationConfig(TaskConfig):
    """Translation: a text in another language."""

    TEXT_SETTINGS = ("source", "target")
    INPUT_COLUMNS = {"text": "source"}

    kind: Literal["translation"]
    source: str = "source"
    """Column of the text to translate."""
    target: str = "target"
    """Column of its translation."""
    target_language: str = "und"
    """BCP 47 tag of the target's language, which selects BLEU's tokenizer; "und" if unknown."""
    train_target: Location | None = None
    """Plain text file with the translation of each line of `train`, also a plain text file."""
    test_target: Location | None = None
    """The same for `test`."""
    validation_target: Location | None = None
    """The same for `validation`."""
    source_share: float = Field(0.5, gt=0, lt=1)
    """Maximum share of the context for a source; longer ones are truncated."""
    beams: int = Field(4, ge=1)
    """Partial translations that beam search keeps per text; 1 is greedy decoding."""
    finetune: TranslationFinetuneConfig = TranslationFinetuneConfig()

    @property
    def text_languages(self) -> tuple[str, ...]:
        """BCP 47 tags of source and target."""
        return (self.language, self.target_language)

    @property
    def answer_language(self) -> str:
        """BCP 47 tag of the language of its predictions."""
        return self.target_language

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        if self.source == self.target:
            raise ValueError(
                f"source and target are the same column, {self.source!r}: set different ones."
            )
        return self

    @model_validator(mode="after")
    def _targets_have_sources(self) -> Self:
        if self.hub is not None and (self.train_target or self.test_target):
            raise ValueError(
                "a hub dataset has columns for source and target: remove train_target and "
                "test_target, or hub."
            )
        if self.validation_target is not None and (self.validation is None or self.hub is not None):
            raise ValueError("validation_target requires a file of sources: set validation.")
        return self


SETTINGS = TranslationConfig
"""The class of the settings of this kind."""
