"""Specifies the folds of a cross-validation: their sizes, labels, and what they never separate."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.conftest import make_config, write_rows
from tests.tasks.question_answering import conftest as answering
from tests.tasks.test_accumulation import with_finetune
from textmill.errors import InputError
from textmill.tasks.folds.division import divide, group_similar
from textmill.tasks.kinds import examples_of

WORDS = [f"{first}{second}" for first in "bcdfghklmn" for second in ("ado", "eru", "ilk", "ost")]


def text(number: int) -> str:
    """A text that shares no three words in a row with another."""
    return " ".join(WORDS[(number * 7 + place * (number + 1)) % len(WORDS)] for place in range(12))


def divided(folder: Path, rows: list[dict[str, str]], folds: int, seed: int = 0) -> Any:
    """Return the folds of a classification with these examples, and the examples."""
    write_rows(folder / "train.jsonl", rows)
    config = with_finetune(make_config(folder), folds=folds, seed=seed)
    kind = examples_of("classification")
    examples = kind.read_examples(config, "train")
    return divide(config, kind, examples), examples


def rows_of(texts: list[str], labels: str = "ab") -> list[dict[str, str]]:
    return [{"text": one, "label": labels[i % len(labels)]} for i, one in enumerate(texts)]


def test_every_example_is_in_one_fold_of_about_equal_size(tmp_path: Path) -> None:
    folds, _ = divided(tmp_path, rows_of([text(i) for i in range(23)]), 5)
    assert sorted(i for fold in folds for i in fold) == [*range(23)]
    assert all(fold == sorted(fold) for fold in folds)
    assert {len(fold) for fold in folds} <= {4, 5}


def test_labels_have_the_same_shares_in_all_folds(tmp_path: Path) -> None:
    folds, examples = divided(tmp_path, rows_of([text(i) for i in range(36)], "aab"), 4)
    assert [Counter(examples[i].label for i in fold) for fold in folds] == [{"a": 6, "b": 3}] * 4


def test_a_label_may_be_rarer_than_there_are_folds(tmp_path: Path) -> None:
    rows = [*rows_of([text(i) for i in range(20)]), {"text": "an odd one", "label": "odd"}]
    folds, examples = divided(tmp_path, rows, 5)
    assert sum("odd" in {examples[i].label for i in fold} for fold in folds) == 1


def test_every_label_may_be_rarer_than_there_are_folds(tmp_path: Path) -> None:
    folds, _ = divided(tmp_path, rows_of([text(i) for i in range(8)], "abcdefgh"), 4)
    assert [len(fold) for fold in folds] == [2] * 4


def test_the_seed_changes_the_folds_and_nothing_else_does(tmp_path: Path) -> None:
    rows = rows_of([text(i) for i in range(30)])
    assert divided(tmp_path, rows, 3)[0] == divided(tmp_path, rows, 3)[0]
    assert divided(tmp_path, rows, 3)[0] != divided(tmp_path, rows, 3, seed=1)[0]


def test_equal_and_nearly_equal_texts_are_in_one_fold(tmp_path: Path) -> None:
    texts = [text(i) for i in range(12)]
    copies = [f"  {one.upper()}" for one in texts]
    nearly = [" ".join([*one.split()[:-1], "other"]) for one in texts]
    rows = rows_of([*texts, *copies, *nearly])
    folds, _ = divided(tmp_path, rows, 4)
    number = {index: n for n, fold in enumerate(folds) for index in fold}
    assert all(number[i] == number[i + 12] == number[i + 24] for i in range(12))
    assert [len(fold) for fold in folds] == [9] * 4


def test_a_chain_of_nearly_equal_texts_is_one_group(tmp_path: Path) -> None:
    words = [*text(3).split(), *text(5).split(), *text(7).split()]
    chain = [" ".join([*(f"new{k}" for k in range(n)), *words[n:]]) for n in range(6)]
    _, examples = divided(tmp_path, rows_of([*chain, *[text(i) for i in range(8, 13)]]), 2)
    groups = group_similar(examples_of("classification"), examples)
    assert groups == [0] * 6 + [6, 7, 8, 9, 10]


def test_no_fold_is_empty_where_groups_are_hardly_more_than_folds(tmp_path: Path) -> None:
    copies = {"pos": [0] * 3 + [1] * 6, "neg": [2] * 2, "neu": [3]}
    rows = [{"text": text(i), "label": label} for label, of in copies.items() for i in of]
    folds, _ = divided(tmp_path, rows, 4)
    assert sorted(folds) == [[0, 1, 2], [3, 4, 5, 6, 7, 8], [9, 10], [11]]


def test_chinese_texts_are_compared_by_characters(tmp_path: Path) -> None:
    long = "今天天气很好我们一起去公园散步看花喝茶聊天"
    rows = rows_of([long, f"{long}吧", "这家酒店的房间又小又暗服务也很差"])
    _, examples = divided(tmp_path, rows, 2)
    assert group_similar(examples_of("classification"), examples) == [0, 0, 2]


def test_questions_about_one_context_are_in_one_fold(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", answering.toy_rows(30, seed=1))
    write_rows(tmp_path / "test.jsonl", answering.toy_rows(2, seed=2))
    config = with_finetune(answering.make_config(tmp_path), folds=3)
    kind = examples_of("question_answering")
    examples = [*kind.read_examples(config, "train")] * 2
    folds = divide(config, kind, examples)
    places = [{examples[i].context for i in fold} for fold in folds]
    assert not places[0] & places[1] | places[0] & places[2] | places[1] & places[2]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["one text", "another text"], r"only 2 training examples: add more, or set it to 2 or"),
        (["one text", "One  text"] * 3, r"only 6 training examples \(1 that differ enough\): add"),
    ],
)
def test_fewer_different_examples_than_folds_are_refused(
    tmp_path: Path, texts: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=rf"tasks.mood.finetune.folds=3: there are {message}"):
        divided(tmp_path, rows_of(texts), 3)
