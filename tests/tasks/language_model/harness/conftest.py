"""A tiny backbone that lm-eval's own class reads as well, and tasks over local files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.tiny_gpt2 import tiny_gpt2
from textmill import model as models
from textmill.config import TokenizerConfig, TokensConfig
from textmill.corpus.tokens.corpus_tokens import tokenize
from textmill.corpus.tokens.vocabulary import train_tokenizer

TEXTS = [
    "The cat sat.",
    "那只猫",
    "The mat was under the cat, and the dog was not there. " * 4,
]
"""The last one is longer than the context."""
CHOICES = [
    {"question": "The cat sat on", "choices": ["the mat", "a dog and a cat"], "answer": 0},
    {"question": "The dog", "choices": ["sat", "那只", "the the the"], "answer": 0},
    {"question": "那只猫坐在", "choices": ["垫子上。", "the mat"], "answer": 1},
]
CHOICE_TASK = {
    "task": "local_choice",
    "dataset_path": "json",
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}}",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "answer",
    "metric_list": [
        {"metric": name, "aggregation": "mean", "higher_is_better": True}
        for name in ("acc", "acc_norm")
    ],
}
TEXT_TASK = {
    "task": "local_text",
    "dataset_path": "json",
    "test_split": "test",
    "output_type": "loglikelihood_rolling",
    "doc_to_text": "",
    "doc_to_target": "{{text}}",
    "metric_list": [{"metric": "bits_per_byte"}, {"metric": "byte_perplexity"}],
}

WriteTask = Callable[..., None]


@pytest.fixture(scope="package")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A corpus, its tokens, and a backbone in the architecture of GPT-2 with random weights."""
    base = tmp_path_factory.mktemp("harness")
    folders = {name: base / name for name in ("corpus", "backbone", "tokens")}
    for folder in folders.values():
        folder.mkdir()
    train = ["The cat sat on the mat, and the dog sat on the cat.", "那只猫坐在垫子上。"] * 30
    for split, texts in (("train", train), ("validation", TEXTS)):
        (folders["corpus"] / split).mkdir()
        about = {name: ["x"] * len(texts) for name in ("source", "doc_id", "language")}
        pq.write_table(
            pa.table({"text": texts, **about}), folders["corpus"] / split / "00000.parquet"
        )
    train_tokenizer(TokenizerConfig(vocab_size=300), folders, folders["backbone"])
    tokenize(TokensConfig(), folders | {"tokenizer": folders["backbone"]}, folders["tokens"])
    models.save(tiny_gpt2(32, 300), folders["backbone"])
    return folders


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a task of choices and one of texts; HF_DATASETS_CACHE is a temporary one."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "tasks"
    folder.mkdir()
    rows = {"choice": CHOICES, "text": [{"text": text} for text in TEXTS]}
    for task, name in ((CHOICE_TASK, "choice"), (TEXT_TASK, "text")):
        data = tmp_path / f"{name}.jsonl"
        data.write_text("".join(f"{json.dumps(row)}\n" for row in rows[name]))
        values = task | {"dataset_kwargs": {"data_files": {"test": str(data)}}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return folder
