"""Specifies the budget step: what it reads of the corpus and the tasks, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from tests.training.planning.test_cost import points
from textmill.config import (
    AnyTask,
    BudgetStepConfig,
    OpenModelConfig,
    OpenPretrainConfig,
    OpenTokenizerConfig,
    Sizes,
    TaskConfig,
    TokenizerConfig,
)
from textmill.corpus.tokens.vocabulary import train_on, train_tokenizer
from textmill.tasks import budget as module
from textmill.tasks.budget import SIZES, budget, read_task, read_text

OPEN = OpenTokenizerConfig(vocab_size=None)
BYTES = {270: train_on(TokenizerConfig(kind="byte", vocab_size=270), iter([]))}
"""A tokenizer whose tokens are bytes."""
WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("a", "e", "i", "o", "un")]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A corpus of 60 words."""
    for split, n in (("train", 400), ("validation", 20)):
        texts = [" ".join(WORDS[(i * k) % 60] for k in range(1, 30)) for i in range(n)]
        ids = [f"{i:032x}" for i in range(n)]
        (tmp_path / split).mkdir()
        pq.write_table(pa.table({"text": texts, "doc_id": ids}), tmp_path / split / "0.parquet")
    return tmp_path


def task(path: Path, rows: list[dict[str, Any]], **further: Any) -> TaskConfig:
    file = path / "task.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    values = {"name": "mood", "kind": "classification", "train": str(file), "test": "b.jsonl"}
    return TypeAdapter(AnyTask).validate_python(values | further)


def test_the_text_is_counted_in_bytes(corpus: Path) -> None:
    found, _ = read_text(OPEN, corpus)
    texts = pq.read_table(corpus / "train" / "0.parquet")["text"].to_pylist()
    assert found.n_bytes == sum(len(text.encode()) for text in texts)
    assert 0 < found.validation_bytes < found.n_bytes


def test_a_vocabulary_that_is_set_is_the_only_one(corpus: Path) -> None:
    found, tokenizers = read_text(OpenTokenizerConfig(vocab_size=300), corpus)
    assert [*found.bytes_per_token] == [*tokenizers] == [300]
    assert tokenizers[300].get_vocab_size() == 300
    assert found.bytes_per_token[300] > 1


def test_vocabularies_grow_as_long_as_their_entries_are_frequent(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VOCABULARIES", (275, 290, 310, 400))
    few = read_text(OPEN, corpus)[0].bytes_per_token
    monkeypatch.setattr(module, "MIN_COUNT", 10**6)
    none = read_text(OPEN, corpus)[0].bytes_per_token
    # The words are among the first 310 entries; those that are only parts of them are rare.
    assert [*few] == [275, 290, 310]
    assert [*few.values()] == sorted(few.values())
    assert [*none] == [275]


def test_a_task_has_the_tokens_of_its_columns_of_text(tmp_path: Path) -> None:
    rows = [{"text": "über", "label": "a"}, {"text": "ab", "label": "b"}] * 10
    found = read_task(task(tmp_path, rows, validation_share=0.2), BYTES)
    assert (found.n_examples, found.epochs, found.max_windows) == (16, 40, 4)
    assert found.lengths == {270: [5, 2] * 10}
    words = [{"tokens": ["ab", "c"], "ner_tags": ["O", "O"]}] * 4
    tagged = task(tmp_path, words, kind="tagging", validation="c.jsonl", finetune={"epochs": 2})
    found = read_task(tagged, BYTES)
    assert (found.n_examples, found.epochs, found.lengths) == (4, 2, {270: [4] * 4})


def test_tokens_are_counted_in_the_first_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = task(tmp_path, [{"text": "abc", "label": "a"}] * 10)
    monkeypatch.setattr(module, "SAMPLE_BYTES", 7)
    found = read_task(config, BYTES)
    assert (found.n_examples, found.lengths) == (9, {270: [3, 3, 3]})


def test_invalid_records_are_left_to_the_steps_of_the_task(tmp_path: Path) -> None:
    config = task(tmp_path, [])
    Path(config.train).write_text('{"text": "ab", "label": "a"}\n{"text": \n')
    assert read_task(config, BYTES).lengths == {270: [2]}


def test_the_step_writes_sizes_and_the_forecast(corpus: Path, tmp_path: Path) -> None:
    speed, out = tmp_path / "speed", tmp_path / "out"
    speed.mkdir()
    out.mkdir()
    (speed / "points.json").write_text(json.dumps([point.model_dump() for point in points(128)]))
    sizes = dict.fromkeys(("n_layer", "n_head", "n_embd", "block_size", "dropout"))
    config = BudgetStepConfig(
        budget_minutes=10,
        side_by_side=1,
        tokenizer=OPEN,
        model=OpenModelConfig(**sizes),
        pretrain=OpenPretrainConfig(max_steps=None, warmup_steps=None),
        tasks=(task(tmp_path, [{"text": "ab", "label": "a"}] * 100),),
    )
    budget(config, {"corpus": corpus, "speed": speed}, out)
    found = Sizes.model_validate_json((out / SIZES).read_text())
    assert {*found.model} == {*sizes}
    # As many entries as the text yields.
    assert 300 < found.tokenizer["vocab_size"] < 512
    train_tokenizer(TokenizerConfig(**found.tokenizer), {"corpus": corpus}, speed)
    assert found.tasks["mood"]["max_steps"] == 120  # three batches of 90 examples, in 40 epochs
    assert json.loads((out / "metrics.json").read_text())["expected_minutes"] <= 10
