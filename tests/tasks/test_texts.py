"""Specifies the texts of tasks: which there are, and what changes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from textmill.config import Config, TaskTextsStepConfig
from textmill.corpus.task_texts import TEST, TRAIN, read_task_texts, task_names
from textmill.errors import InputError
from textmill.files import digest_folder
from textmill.steps.graph import GRAPH, TASK_TEXTS
from textmill.tasks.texts import collect_texts

ROWS = [
    {"text": "A fine day by the sea.", "label": "good"},
    {"text": "A grey day, call +49 30 901820.", "label": "bad"},
    {"text": "A fine day by the sea.", "label": "good"},
]


def write(file: Path, rows: Iterable[Any]) -> str:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    file.write_text("".join(f"{line}\n" for line in lines))
    return str(file)


def settings(
    tmp_path: Path, train: Iterable[Any] = ROWS, corpus: dict[str, Any] | None = None, **task: Any
) -> TaskTextsStepConfig:
    values = {
        "name": "mood",
        "kind": "classification",
        "train": write(tmp_path / "train.jsonl", train),
        "test": write(tmp_path / "test.jsonl", [{"text": "Held out."}]),
        **task,
    }
    own = {"task_texts": {"enabled": True}, "decontamination": {"enabled": None}}
    config = Config.model_validate({"corpus": own | (corpus or {}), "tasks": [values]})
    made = GRAPH.part(TASK_TEXTS).configure(config)
    assert isinstance(made, TaskTextsStepConfig)
    return made


def collected(folder: Path, config: TaskTextsStepConfig) -> Path:
    folder.mkdir()
    collect_texts(config, {}, folder)
    return folder


def texts(out: Path, split: str = TRAIN) -> dict[str, str]:
    """The texts of a split of all tasks, with their languages."""
    documents = (d for task in task_names(out, split) for d in read_task_texts(out, split, task))
    return {document.text: document.language for document in documents}


def test_texts_are_distinct_and_without_personal_data(tmp_path: Path) -> None:
    out = collected(tmp_path / "out", settings(tmp_path))
    assert texts(out) == {"A fine day by the sea.": "und", "A grey day, call [PHONE].": "und"}
    assert texts(out, TEST) == {"Held out.": "und"}
    assert json.loads((out / "metrics.json").read_text()) == {
        "train_texts/mood": 2,
        "test_texts/mood": 1,
    }


@pytest.mark.parametrize(
    ("rows", "is_equal"),
    [
        ([row | {"label": "odd"} for row in ROWS], True),
        (ROWS[::-1], True),
        (ROWS[:2], True),
        ([*ROWS, ROWS[1]], True),
        ([{"text": row["text"]} for row in ROWS], True),
        ([*ROWS, {"text": "A new day.", "label": "good"}], False),
    ],
    ids=["labels", "order", "fewer copies", "more copies", "no labels", "a new text"],
)
def test_the_result_changes_with_the_texts_alone(
    tmp_path: Path, rows: list[dict[str, str]], is_equal: bool
) -> None:
    before = digest_folder(collected(tmp_path / "before", settings(tmp_path)))
    after = digest_folder(collected(tmp_path / "after", settings(tmp_path, rows)))
    assert (before == after) is is_equal


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["The", "ferry", "leaves"], "The ferry leaves"),
        ([*"她在柏林2024年"], "她在柏林2024年"),
        (["我们", "去", "IBM", "公司"], "我们去 IBM 公司"),
        (["Write", "to", "bob", "@", "example", ".", "com"], "Write to [EMAIL]" + " [EMAIL]" * 4),
    ],
    ids=["English", "characters", "Chinese words", "an address in pieces"],
)
def test_words_are_joined_to_running_text(tmp_path: Path, words: list[str], text: str) -> None:
    config = settings(tmp_path, [{"text": words}], kind="tagging", tokens="text")
    out = collected(tmp_path / "out", config)
    assert list(texts(out)) == [text]


def test_both_sides_of_a_translation_are_texts_of_their_languages(tmp_path: Path) -> None:
    train, target = ["the lamp", "the chair"], ["die Lampe", "der Stuhl"]
    task = {
        "kind": "translation",
        "train_target": write(tmp_path / "train.de", target),
        "test_target": write(tmp_path / "test.de", ["vorbehalten"]),
        "language": "en",
        "target_language": "de",
    }
    out = collected(tmp_path / "out", settings(tmp_path, train, **task))
    assert texts(out) == {"the lamp": "en", "the chair": "en", "die Lampe": "de", "der Stuhl": "de"}


def test_text_in_an_unknown_language_is_identified_where_languages_are_chosen(
    tmp_path: Path,
) -> None:
    config = settings(tmp_path, corpus={"languages": ["en"]})
    assert config.train[0].languages == ("auto",)


def test_training_examples_without_text_are_named(tmp_path: Path) -> None:
    rows = [*ROWS, {"text": None, "label": "bad"}, "broken"]
    with pytest.raises(InputError) as raised:
        collected(tmp_path / "out", settings(tmp_path, rows))
    assert "tasks.mood.train: 2 of 5 training examples have no text (40.0%)" in str(raised.value)
    assert f"{tmp_path}/train.jsonl:4: column 'text' holds no text" in str(raised.value)
    few = settings(tmp_path, rows, corpus={"max_bad_share": 0.5})
    assert len(texts(collected(tmp_path / "few", few))) == 2


def test_invalid_examples_of_a_test_are_left_to_its_evaluation(tmp_path: Path) -> None:
    config = settings(tmp_path)
    write(tmp_path / "test.jsonl", ["broken", {"text": "Held out."}, {"text": 5}])
    assert list(texts(collected(tmp_path / "out", config), TEST)) == ["Held out."]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'body', which tasks\.mood"):
        collected(tmp_path / "out", settings(tmp_path, text="body"))
