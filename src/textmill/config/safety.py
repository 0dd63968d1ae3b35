"""Configuration of the filters of prompts and outputs."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from textmill.config.settings import Location, Settings
from textmill.errors import listed

FilterLanguage = Literal["en", "de", "zh"]
"""A language with shipped lists."""
FilterAction = Literal["block", "mask", "flag"]
"""What a filter does about text that it finds."""
FilterSide = Literal["prompt", "output"]
"""The text that a filter checks."""

PERSONAL_DATA = "personal_data"
"""The category that is found by the finders of redaction, not by lists."""
SHIPPED_CATEGORIES = (
    "insults",
    "sexual",
    "violence",
    "self_harm",
    "dangerous_instructions",
    PERSONAL_DATA,
)
"""Categories that need no list, pattern or model of the user's own."""


class FilterConfig(Settings):
    """One filter of prompts and outputs: an entry of safety.filters."""

    category: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """What it finds, as its decisions and counters name it: insults, sexual, violence, self_harm,
    dangerous_instructions or personal_data, which are shipped, or a category of your own with
    `patterns`, `path` or `model`, any of which replace the shipped list."""
    languages: tuple[FilterLanguage, ...] = Field(get_args(FilterLanguage), min_length=1)
    """Languages of the shipped lists; a text is checked against the lists of all of them."""
    patterns: tuple[str, ...] = ()
    """Words, phrases and, after `re:`, regular expressions of bounded length."""
    path: Location | None = None
    """UTF-8 file with one of these in each line; # begins a comment."""
    model: str | None = Field(None, min_length=1)
    """Classification task of this configuration whose champion scores the text sentence by
    sentence, or a registered model, such as NAME@champion."""
    labels: tuple[str, ...] = ()
    """Labels of the model that are harmful; required with `model`."""
    threshold: float = Field(0.5, gt=0, le=1)
    """Minimum sum of the probabilities of `labels`; if texts may have several labels, the minimum
    of the highest."""
    applies_to: Literal["prompt", "output", "both"] = "both"
    action: FilterAction = "flag"
    """block rejects a prompt, and ends an output before the text that was found; mask replaces that
    text by the category in brackets, such as [INSULTS]; flag changes nothing. All are reported and
    counted."""

    def checks(self, side: FilterSide) -> bool:
        """Return whether the filter applies to prompts, or to outputs."""
        return self.applies_to in (side, "both")

    @model_validator(mode="after")
    def _has_something_to_find(self) -> Self:
        own = self.patterns or self.path is not None
        if self.model is not None and own:
            raise ValueError(
                f"the filter {self.category} has a model and patterns: make them two filters of "
                "the same category."
            )
        if (self.model is None) != (not self.labels):
            raise ValueError(
                f"the filter {self.category} needs both model and labels, or neither: set the "
                "labels of the model that are harmful."
            )
        if self.category not in SHIPPED_CATEGORIES and not own and self.model is None:
            raise ValueError(
                f"there is no list for the category {self.category!r}: choose one of "
                f"{listed(SHIPPED_CATEGORIES)}, or set patterns, path or model."
            )
        return self


class SafetyConfig(Settings):
    """Filters of prompts and outputs: the safety section."""

    filters: tuple[FilterConfig, ...] = tuple(
        FilterConfig(category=category)
        for category in SHIPPED_CATEGORIES
        if category != PERSONAL_DATA
    )
    """Filters, all of which check a text; by default, the categories with lists are flagged, which
    changes no text. Personal data is redacted besides, as in the text that the model was trained
    on."""
