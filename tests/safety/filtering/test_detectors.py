"""Specifies what detectors find and when a text is settled."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from textmill.config import FilterConfig, RedactionConfig
from textmill.safety.filtering.detectors import (
    Detector,
    ModelDetector,
    PatternDetector,
    PersonalDataDetector,
)

RULE = FilterConfig(category="personal_data")
MODEL = FilterConfig(category="toxic", model="toxicity", labels=("bad",), threshold=0.7)
PERSONAL = PersonalDataDetector(RULE, RedactionConfig())


def found(detector: Detector, text: str, start: int = 0, stop: int = 10_000) -> list[str]:
    return [text[one.start : one.end] for one in detector.find(text, start, stop)]


def test_a_pattern_is_held_back_by_its_longest_match() -> None:
    detector = PatternDetector(FilterConfig(category="x", patterns=("p",)), [re.compile("ab?c")])
    assert found(detector, "ac abc ab", 1) == ["abc"]
    assert found(detector, "ac abc ab", 0, 3) == ["ac"]
    assert detector.settled("ac abc ab", 0) == len("ac ab")
    assert detector.settled("a", 0) == 0


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("The weather is fine", "The weather "),
        ("Call +49 30 901", ""),
        ("Please call us. Call +49 30 901", "Please call us. "),
        ("so write to bob (at", "so write to "),
        ("天气很好啊", "天气很"),
        ("my key -----BEGIN RSA PRIVATE KEY----- and so on and on", "my key "),
        ("my key -----BEGIN RSA PRIVATE KE", "my key "),
        ("my key -----BEGIN&nbsp;PRIVATE KEY-----\nand so on and on", "my key "),
        (f"my key -----BEGIN PRIVATE KEY-----\nProc-Type: 4\n{'and so on ' * 2000}", "my key "),
        ("-----BEGIN CERTIFICATE----- and so on", "-----BEGIN CERTIFICATE----- and "),
        (f"so it is eyJhbGci.{'A1b2' * 200}", "so it is "),
        (f"so it is {'12 34 ' * 200}", "so it "),
        (f"x1 {'12 34 ' * 20}\n{'12, 34, ' * 100}", f"x1 {'12 34 ' * 20}\n{'12, 34, ' * 37}"),
        ("so mail bob@例子公司", "so "),
        ("写信bob@例子.org。谢谢你们", "写信bob@例子.org。谢谢"),
        ("to MT31 MALT 0110 0ABC DEFG HIJK LMNO", ""),
    ],
)
def test_words_that_may_be_personal_data_are_held_back(text: str, settled: str) -> None:
    assert text[: PERSONAL.settled(text, 0)] == settled


def test_personal_data_has_the_placeholder_of_its_kind() -> None:
    (one,) = PERSONAL.find("mail bob@example.com now", 0, 100)
    assert (one.start, one.end, one.placeholder) == (5, 20, "[EMAIL]")


class Scorer:
    """Counts the texts that it gets; those with `bad` are harmful."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[float]:
        self.calls.append(list(texts))
        return [0.7 if "bad" in text else 0.69 for text in texts]


def test_a_model_scores_complete_sentences_once_and_in_one_batch() -> None:
    scorer = Scorer()
    detector = ModelDetector(MODEL, scorer)
    text = "It is fine. A bad one! 坏bad。还好。And more"
    settled = detector.settled(text, 0)
    assert text[settled:] == "And more"
    assert found(detector, text, 0, settled) == ["A bad one!", "坏bad。"]
    assert found(detector, text, 12, settled) == ["A bad one!", "坏bad。"]
    assert scorer.calls == [["It is fine.", "A bad one!", "坏bad。", "还好。"]]


def test_long_sentences_are_divided() -> None:
    scorer = Scorer()
    detector = ModelDetector(MODEL, scorer)
    text = "x" * (ModelDetector.MAX_CHARS * 2 + 5)
    assert found(detector, text) == []
    assert [len(piece) for piece in scorer.calls[0]] == [300, 300, 5]
