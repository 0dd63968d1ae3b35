"""Specifies language identification."""

from __future__ import annotations

import pytest

from textmill.corpus.cleaning.language import identify_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The cat sat on the mat and looked out of the window.", "en"),
        ("Die Katze saß auf der Matte und sah aus dem Fenster.", "de"),
        ("Le chat était assis sur le tapis et regardait par la fenêtre.", "fr"),
        ("床前明月光，疑是地上霜。举头望明月，低头思故乡。", "zh"),
        ("Кот сидел на коврике и смотрел в окно.", "ru"),
        ("1234 5678 !?", "und"),
        ("", "und"),
    ],
)
def test_languages_are_identified(text: str, language: str) -> None:
    assert identify_language(text) == language


def test_the_beginning_of_a_text_determines_the_language() -> None:
    german = "Die Katze saß auf der Matte und sah aus dem Fenster. " * 25
    assert identify_language(german + "The rest is in English. " * 400) == "de"
