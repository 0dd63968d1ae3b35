"""A tiny backbone, a separable toy task and a model fine-tuned on it, for this folder's tests."""

from __future__ import annotations

import json
import random
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer
from torch import nn

from textmill import model as models
from textmill.config import (
    UNREDACTED,
    Accelerator,
    ModelConfig,
    RedactionConfig,
    TaskConfig,
    TokenizerConfig,
)
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES, load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.model.gpt import GPT
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.predictor import Predictor, network_scorer
from textmill.tasks.finetune import finetune

WORDS = {
    "good": ["splendid", "lovely", "superb", "happy", "bright"],
    "bad": ["awful", "dreadful", "poor", "sad", "grim"],
}
NEUTRAL = ["the", "room", "was", "meal", "and", "staff", "window"]


def toy_rows(n: int, seed: int) -> list[dict[str, str]]:
    """Texts that one word makes good or bad."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        label = "good" if i % 2 else "bad"
        words = [*rng.choices(NEUTRAL, k=rng.randint(2, 6)), *rng.choices(WORDS[label], k=2)]
        rng.shuffle(words)
        rows.append({"text": " ".join(words), "label": label})
    return rows


def write_rows(file: Path, rows: Iterable[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


QUICK = {
    "epochs": 6,
    "patience": None,
    "candidates": ("network",),
    "micro_batch_size": 16,
    "learning_rate": 1e-2,
    "accelerator": "cpu",
    "precision": "32",
    "dropout": 0.0,
}
"""Fine-tuning of a tiny network in seconds."""


def make_config(folder: Path, **further: Any) -> ClassificationConfig:
    values = {
        "kind": "classification",
        "name": "mood",
        "train": str(folder / "train.jsonl"),
        "test": str(folder / "test.jsonl"),
        "finetune": QUICK,
    }
    return ClassificationConfig.model_validate(values | further)


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the pretrain step: 2 layers of 16 channels, random weights."""
    corpus, folder = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("backbone")
    (corpus / "train").mkdir()
    texts = [row["text"] for row in toy_rows(200, seed=9)]
    pq.write_table(pa.table({"text": texts}), corpus / "train" / "00000.parquet")
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    train_tokenizer(TokenizerConfig(vocab_size=320), {"corpus": corpus}, tokenizer)
    for name in TOKENIZER_FILES:
        shutil.copy(tokenizer / name, folder / name)
    size = load_tokenizer(folder).get_vocab_size()
    shape = ModelConfig(n_layer=2, n_head=2, n_embd=16, n_inner=48, block_size=48, vocab_size=size)
    torch.manual_seed(0)
    models.save(GPT(shape), folder)
    return folder


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ClassificationConfig:
    """A separable task of 120 training and 40 test examples."""
    folder = tmp_path_factory.mktemp("toy")
    write_rows(folder / "train.jsonl", toy_rows(120, seed=1))
    write_rows(folder / "test.jsonl", toy_rows(40, seed=2))
    return make_config(folder)


@pytest.fixture(scope="session")
def tuned(
    backbone: Path, toy: ClassificationConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Output and work folder of the finetune step on the toy task."""
    out, work = tmp_path_factory.mktemp("model"), tmp_path_factory.mktemp("work")
    tune(toy, backbone, out, work)
    return out, work


def tune(config: TaskConfig, backbone: Path, out: Path, work: Path) -> None:
    """Run the finetune step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's own, as in test_finetune.py
        finetune(config, {"backbone": backbone}, out, work)


def made(folder: Path) -> tuple[Path, Path]:
    """Return an empty output and work folder."""
    out, work = folder / "out", folder / "work"
    out.mkdir()
    work.mkdir()
    return out, work


def points(work: Path, name: str) -> list[float]:
    entries = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    return [e["metrics"][name] for e in entries if name in e.get("metrics", {})]


def with_finetune(config: ClassificationConfig, **changes: Any) -> ClassificationConfig:
    return config.model_copy(update={"finetune": config.finetune.model_copy(update=changes)})


def predictor_of(
    kind: str,
    network: nn.Module,
    tokenizer: Tokenizer,
    spec: Any,
    redaction: RedactionConfig = UNREDACTED,
    accelerator: Accelerator = "cpu",
) -> Predictor:
    """Return the predictor of a network."""
    scorer = network_scorer(kind, spec, network.eval(), tokenizer, accelerator)
    return Predictor(kind, spec, [(scorer, 1.0)], redaction)
