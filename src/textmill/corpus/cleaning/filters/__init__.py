"""What documents are rejected for: every filter by its name, in the order in which they act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textmill.config import CleanConfig


@dataclass(frozen=True)
class Filter:
    """A reason why documents are rejected, which is counted, reported and shown with examples."""

    name: str
    """As it stands in `rejected/`; the count is the metric `rejected_<name>`."""
    is_on: Callable[[CleanConfig], bool]
    """Whether the metric stands there even if nothing is rejected."""


def _always(config: CleanConfig) -> bool:
    return True


def _never(config: CleanConfig) -> bool:
    return False


FILTERS = (
    Filter("bad_record", _always),
    Filter("no_main_content", _never),  # no setting tells whether a source holds HTML
    Filter("too_short", _always),
    Filter("language", lambda config: bool(config.languages)),
    Filter(
        "gopher_repetition",
        lambda config: config.quality.enabled and config.quality.gopher_repetition.enabled,
    ),
    Filter(
        "gopher_quality",
        lambda config: config.quality.enabled and config.quality.gopher_quality.enabled,
    ),
    Filter("c4", lambda config: config.quality.enabled and config.quality.c4.enabled),
    Filter("fineweb", lambda config: config.quality.enabled and config.quality.fineweb.enabled),
    Filter("contaminated", lambda config: config.decontamination.enabled),
    Filter("exact_duplicate", _always),
    Filter("repeated_lines", lambda config: config.repeated_lines.enabled),
    Filter("near_duplicate", lambda config: config.near_duplicates.enabled),
)
"""Every filter, in the order in which they act."""

__all__ = ["contamination", "quality"]
