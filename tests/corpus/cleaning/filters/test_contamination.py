"""Specifies which documents share text with test sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from textmill.config import CleanConfig, DecontaminationConfig, TestSetConfig
from textmill.corpus.cleaning.filters import Document, Rejection
from textmill.corpus.cleaning.filters.contamination import Contamination, TestNgrams
from textmill.errors import InputError

WORDS = [f"w{n}" for n in range(40)]
DEFAULT = DecontaminationConfig(enabled=True)


def text(begin: int, end: int) -> str:
    return " ".join(WORDS[begin:end])


@pytest.fixture
def held_out(tmp_path: Path) -> list[TestSetConfig]:
    """A long and short texts, lists of words, and two files that belong together."""
    mood = [
        {"text": text(0, 20)},
        {"text": "A bright, cold day in the month of April."},
        {"text": 5},
    ]
    files = {
        "mood": "\n".join([*map(json.dumps, mood), "broken"]),
        "names": json.dumps({"tokens": list("床前明月光疑是地上霜举头望明月")}),
    }
    for name, content in files.items():
        (tmp_path / f"{name}.jsonl").write_text(content)
    (tmp_path / "a.en").write_text(text(25, 32) + "\n")
    (tmp_path / "a.de").write_text("Ein Satz aus acht Wörtern, und keinem mehr.\n")
    columns = {"mood": ("text",), "names": ("tokens",)}
    sets = [
        TestSetConfig(name=name, places=(str(tmp_path / f"{name}.jsonl"),), columns=columns[name])
        for name in files
    ]
    pair = (str(tmp_path / "a.en"), str(tmp_path / "a.de"))
    return [*sets, TestSetConfig(name="tr", places=pair, columns=("source", "target"))]


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
        (text(24, 33), None, ""),  # an example of 7 words is looked for by nobody
        ("“Ein Satz aus acht Wörtern und keinem mehr”", ("tr",), "ein satz aus acht"),
        ("床前明月光，疑是地上霜。举头望明月，低头思故乡。", ("names",), "床前明月光"),
        ("床前明月光，疑是地上霜。", None, ""),
        (f"Ein Satz aus acht Wörtern und keinem mehr. {text(0, 20)}", ("mood", "tr"), "ein satz"),
        ("", None, ""),
    ],
)
def test_documents_that_share_an_ngram_are_found(
    held_out: list[TestSetConfig], document: str, tasks: tuple[str, ...] | None, words: str
) -> None:
    ngrams = TestNgrams(DEFAULT, held_out, str)
    for texts in ([document], ["other text", document, text(5, 30)]):
        found = ngrams.find(texts)[texts.index(document)]
        assert (found and found.tasks) == tasks
        assert words in (found.words if found else "")


def test_ngrams_do_not_span_documents(
    held_out: list[TestSetConfig],
) -> None:
    ngrams = TestNgrams(DEFAULT, held_out, str)
    assert ngrams.find([text(0, 7), text(7, 14)]) == [None, None]


def test_test_sets_are_cleaned_like_documents(held_out: list[TestSetConfig]) -> None:
    ngrams = TestNgrams(DEFAULT, held_out, lambda text: text.replace("w10", "[EMAIL]"))
    assert ngrams.find([text(4, 17)]) == [None]
    (found,) = ngrams.find([text(4, 17).replace("w10", "[EMAIL]")])
    assert found is not None


@pytest.mark.parametrize(("settings", "is_found"), [({"ngram": 12}, True), ({}, False)])
def test_the_length_of_ngrams_is_configurable(
    held_out: list[TestSetConfig], settings: dict[str, Any], is_found: bool
) -> None:
    config = DecontaminationConfig.model_validate(settings)
    assert (TestNgrams(config, held_out, str).find([text(3, 15)])[0] is not None) == is_found


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}')
    place = (str(tmp_path / "a.jsonl"),)
    wrong = TestSetConfig(name="mood", places=place, columns=("body",))
    with pytest.raises(InputError, match=r"no column 'body', which tasks\.mood"):
        TestNgrams(DEFAULT, [wrong], str)


def test_the_minimum_length_must_not_exceed_the_length_of_ngrams() -> None:
    with pytest.raises(ValueError, match=r"min_words=8 is larger than ngram=5: lower it"):
        DecontaminationConfig(ngram=5)


def test_the_filter_cleans_test_sets_like_the_corpus(held_out: list[TestSetConfig]) -> None:
    source = {"name": "a", "path": "a.txt"}
    sets = [test_set.model_dump() for test_set in held_out]
    config = CleanConfig.model_validate(
        {"sources": [source], "test_sets": sets, "decontamination": {"enabled": True}}
    )
    documents = [Document(held, "en") for held in (text(0, 20), "nothing of it")]
    shared, other = Contamination().configured(config).judge(documents)
    assert isinstance(shared, Rejection)
    assert (shared.reason, shared.contaminates) == ("contaminated", ("mood",))
    assert shared.detail.startswith("mood: w0 w1")
    assert other is None
