"""The labelled sentences, and how filters score on them.

labelled.txt holds sentences below `# language category`, of which those of the category `none` must
not be found. Every second sentence is held out: lists are developed on the others alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from textmill.config import SHIPPED_CATEGORIES, FilterConfig
from textmill.safety.filtering.content_filter import ContentFilter

FILE = Path(__file__).with_name("labelled.txt")
NONE = "none"


@dataclass(frozen=True)
class Labelled:
    """A sentence, and the category of what is in it."""

    language: str
    category: str
    text: str
    is_held_out: bool


@dataclass
class Score:
    """How many sentences were found to be of a category, and how many are."""

    expected: int = 0
    found: int = 0
    right: int = 0


def read_labelled() -> list[Labelled]:
    """Return all sentences."""
    sentences: list[Labelled] = []
    language = category = ""
    number = 0
    for line in FILE.read_text("utf-8").splitlines():
        if line.startswith("# "):
            _, language, category = line.split(" ")
            number = 0
        else:
            sentences.append(Labelled(language, category, line, number % 2 == 1))
            number += 1
    return sentences


def shipped_filter() -> ContentFilter:
    """Return a filter of all shipped lists."""
    listed = [name for name in SHIPPED_CATEGORIES if name != "personal_data"]
    return ContentFilter([FilterConfig(category=name) for name in listed])


def scores(sentences: Iterable[Labelled], content: ContentFilter) -> dict[tuple[str, str], Score]:
    """Return the scores by language and category."""
    by_category: dict[tuple[str, str], Score] = {}
    for sentence in sentences:
        categories = {one.category for one in content.check(sentence.text, "output").decisions}
        for category in {*categories, sentence.category}:
            score = by_category.setdefault((sentence.language, category), Score())
            score.expected += category == sentence.category
            score.found += category in categories
            score.right += category == sentence.category and category in categories
    return by_category
