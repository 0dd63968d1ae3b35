"""Specifies which documents share text with test sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.corpus.own_texts import write_task_texts
from textmill.config import CleanConfig, DecontaminationConfig
from textmill.corpus.cleaning.filters import Document, Rejection
from textmill.corpus.cleaning.filters.contamination import Contamination, TestNgrams

WORDS = [f"w{n}" for n in range(40)]
DEFAULT = DecontaminationConfig(enabled=True)


def text(begin: int, end: int) -> str:
    return " ".join(WORDS[begin:end])


HELD_OUT = {
    "mood": [text(0, 20), "A bright, cold day in the month of April."],
    "names": ["床前明月光疑是地上霜举头望明月"],
    "tr": [text(25, 32), "Ein Satz aus acht Wörtern, und keinem mehr."],
}


@pytest.mark.parametrize(
    ("document", "tasks", "words"),
    [
        (f"before {text(3, 16)} after", ("mood",), text(3, 16)),
        (f"before {text(3, 15)} after", None, ""),  # 12 words
        (
            f"Before: {text(3, 9)}, {text(9, 16).upper()}!",
            ("mood",),
            f"{text(3, 9)}, {text(9, 16)}",
        ),
        ("It was a bright cold day in the month of April", ("mood",), "bright cold day"),
        ("A bright cold day in the month of", None, ""),  # an example of 9 words, one missing
        (text(24, 33), None, ""),  # an example of 7 words is not looked for in longer texts
        (f"«{text(25, 32).upper()}»", ("tr",), text(25, 32)),
        (text(25, 31), None, ""),
        ("“Ein Satz aus acht Wörtern und keinem mehr”", ("tr",), "ein satz aus acht"),
        ("床前明月光，疑是地上霜。举头望明月，低头思故乡。", ("names",), "床前明月光"),
        ("床前明月光，疑是地上霜。", None, ""),
        (f"Ein Satz aus acht Wörtern und keinem mehr. {text(0, 20)}", ("mood", "tr"), "ein satz"),
        ("", None, ""),
    ],
)
def test_documents_that_share_an_ngram_are_found(
    document: str, tasks: tuple[str, ...] | None, words: str
) -> None:
    ngrams = TestNgrams(DEFAULT, HELD_OUT)
    for texts in ([document], ["other text", document, text(5, 30)]):
        found = ngrams.find(texts)[texts.index(document)]
        assert (found and found.tasks) == tasks
        assert words in (found.words if found else "")


def test_ngrams_do_not_span_documents() -> None:
    ngrams = TestNgrams(DEFAULT, HELD_OUT)
    assert ngrams.find([text(0, 7), text(7, 14)]) == [None, None]


@pytest.mark.parametrize(("settings", "is_found"), [({"ngram": 12}, True), ({}, False)])
def test_the_length_of_ngrams_is_configurable(settings: dict[str, Any], is_found: bool) -> None:
    config = DecontaminationConfig.model_validate(settings)
    assert (TestNgrams(config, HELD_OUT).find([text(3, 15)])[0] is not None) == is_found


def test_the_minimum_length_must_not_exceed_the_length_of_ngrams() -> None:
    with pytest.raises(ValueError, match=r"min_words=8 is larger than ngram=5: lower it"):
        DecontaminationConfig(ngram=5)


def test_the_filter_cleans_test_sets_like_the_corpus(tmp_path: Path) -> None:
    held = f"{text(0, 6)} ann@example.com &amp; {text(6, 12)}"
    folder = write_task_texts(tmp_path / "texts", test={"mood": [held]})
    config = CleanConfig.model_validate(
        {"task_texts_folder": str(folder), "decontamination": {"enabled": True}}
    )
    final = held.replace("ann@example.com", "[EMAIL]").replace("&amp;", "&")
    documents = [Document(found, "en") for found in (final, "nothing of it")]
    shared, other = Contamination().configured(config).judge(documents)
    assert isinstance(shared, Rejection)
    assert (shared.reason, shared.contaminates) == ("contaminated", ("mood",))
    assert shared.detail.startswith("mood: w0 w1")
    assert other is None
