"""A text of a bias report, of which each group has its own form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GroupText:
    """What the forms of a text have in common."""

    attribute: str
    about: str
    origin: str
    """Whether it is of a template, or a test example."""
    groups: tuple[str, ...]
    template: str
    """The template, or the test example."""
    term: str
    """The terms of the first group."""
