"""Specifies the languages of examples: which there are, and where test and training differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tasks.checks.test_leaks import labelled, make_task
from textmill.tasks.checks import multilingual as module
from textmill.tasks.checks.multilingual import shares_of
from textmill.tasks.kinds import examples_of

TEXTS = {
    "en": "The old woman walked slowly through the quiet streets of the town, number {}.",
    "de": "Die alte Frau ging langsam durch die stillen Straßen der Stadt, Nummer {}.",
    "zh": "老太太慢慢地走过小镇安静的街道,她想去市场买一些水果和蔬菜,号码 {}。",
}


def rows(**numbers: int) -> list[dict[str, str]]:
    """Examples in these languages, with labels in turn."""
    texts = [TEXTS[tag].format(i) for tag, n in numbers.items() for i in range(n)]
    return labelled(*((text, "ab"[i % 2]) for i, text in enumerate(texts)))


def shares(folder: Path, examples: list[dict[str, str]]) -> dict[str, float]:
    config = make_task(folder, "classification", examples, examples[:1])
    kind = examples_of("classification")
    return shares_of(kind, kind.read_examples(config, "train"))


def test_shares_are_of_the_texts_in_each_language(tmp_path: Path) -> None:
    assert shares(tmp_path, rows(en=10, de=30)) == {"de": 0.75, "en": 0.25}


def test_short_texts_and_texts_without_letters_have_no_language(tmp_path: Path) -> None:
    short = labelled(*((f"fine {i}", "ab"[i % 2]) for i in range(20)))
    marks = labelled(*(("-" * 50 + str(i), "a") for i in range(20)))
    assert shares(tmp_path, [*rows(en=20), *short, *marks]) == {"en": 1.0}
    assert shares(tmp_path, [*rows(en=19), *short]) == {}


def test_chinese_that_looks_like_cantonese_is_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "identify_language", lambda text: "yue" if "1" in text else "zh")
    assert shares(tmp_path, rows(zh=20)) == {"zh": 1.0}


def test_of_many_examples_an_evenly_spaced_part_is_identified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TEXTS", 20)
    seen: list[str] = []

    def identify(text: str) -> str:
        seen.append(text)
        return "en"

    monkeypatch.setattr(module, "identify_language", identify)
    assert shares(tmp_path, rows(en=45, de=15)) == {"en": 1.0}
    assert len(seen) == 20
    assert sum("Frau" in text for text in seen) == 5
