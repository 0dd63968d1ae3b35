"""Specifies how texts, times and numbers are shown."""

from __future__ import annotations

import pytest

from textmill.reports.formats import cut, duration, languages
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.translation.settings import TranslationConfig

FILES = {"name": "own", "train": "a.csv", "test": "b.csv"}


def test_numbers_are_formatted() -> None:
    assert [duration(s) for s in (None, 3.14, 101.2, 7265)] == [
        "–",
        "3.1 s",
        "1 min 41 s",
        "2 h 01 min",
    ]
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "abc …")


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, ""),
        ({"language": "auto"}, ""),
        ({"language": "en"}, "en"),
        ({"language": "en", "target_language": "de"}, "en to de"),
    ],
)
def test_the_languages_of_a_task_are_shown_if_known(settings: dict[str, str], shown: str) -> None:
    task = TranslationConfig(kind="translation", **FILES, **settings)
    assert languages(task) == shown
    assert languages(ClassificationConfig(kind="classification", **FILES, language="zh")) == "zh"
