from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from textmill.config import ModelConfig, PretrainConfig, PretrainStepConfig
from textmill.corpus.tokens.token_shards import DOCUMENTS, write_shards
from textmill.corpus.tokens.tokenizer import SPECIAL_TOKENS
from textmill.model import GPT
from textmill.training.objectives import token_nll
from textmill.training.pretrain import pretrain

VOCAB_SIZE = 20
REPETITIVE = [[5, 6, 7, 8, 9, 10, 11] * (1 + i % 4) for i in range(60)]
SETTINGS: dict[str, Any] = dict(
    micro_batch_size=4,
    max_steps=6,
    warmup_steps=1,
    learning_rate=0.02,
    accelerator="cpu",
    precision="32",
    log_every_steps=2,
    validate_every_steps=3,
    checkpoint_every_steps=2,
)


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """Folders of the tokens and tokenizer steps; a token stands for two bytes."""
    tokens, tokenizer = tmp_path / "tokens", tmp_path / "tokenizer"
    index: dict[str, Any] = {"vocab_size": VOCAB_SIZE, "dtype": "uint16"}
    for split, documents in (("train", REPETITIVE), ("validation", REPETITIVE[:10])):
        (tokens / split).mkdir(parents=True)
        write_shards(tokens / split, documents, np.dtype(np.uint16))
        n_tokens = sum(map(len, documents))
        index[split] = {"documents": len(documents), "tokens": n_tokens, "bytes": 2 * n_tokens}
        about = {
            "doc_id": [f"{split}-{number}" for number in range(len(documents))],
            "source": ["songs" if number % 3 else "books" for number in range(len(documents))],
            "language": ["en"] * len(documents),
        }
        pq.write_table(pa.table(about), tokens / split / DOCUMENTS)
    (tokens / "index.json").write_text(json.dumps(index))
    tokenizer.mkdir()
    words = {word: number for number, word in enumerate(SPECIAL_TOKENS)}
    words |= {chr(ord("a") + number): number for number in range(len(words), VOCAB_SIZE)}
    Tokenizer(WordLevel(words, unk_token="<|pad|>")).save(str(tokenizer / "tokenizer.json"))
    (tokenizer / "tokenizer_config.json").write_text("{}")
    return {"tokens": tokens, "tokenizer": tokenizer}


def run(
    inputs: dict[str, Path],
    name: str,
    model: dict[str, Any] | None = None,
    weights: dict[str, float] | None = None,
    **choices: Any,
) -> Path:
    """Pretrain in folders of this name and return the backbone's."""
    base = inputs["tokens"].parent / name
    out, work = base / "out", base / "work"
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    shape = dict(n_layer=2, n_head=2, n_embd=16, block_size=16) | (model or {})
    config = PretrainStepConfig(
        model=ModelConfig.model_validate(shape),
        pretrain=PretrainConfig.model_validate(SETTINGS | choices),
        weights=weights or {},
    )
    pretrain(config, inputs, out, work)
    return out


def logged(out: Path, metric: str) -> list[float]:
    lines = (out.parent / "work" / "metrics.jsonl").read_text().splitlines()
    points = [json.loads(line).get("metrics", {}) for line in lines]
    return [point[metric] for point in points if metric in point]


def fork(function: Callable[..., None], *args: Any, **kwargs: Any) -> BaseProcess:
    """Call a function in a process of its own, which has loaded torch already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["textmill.training.pretrain"])
    process = context.Process(target=function, args=args, kwargs=kwargs)
    process.start()
    return process


def start(inputs: dict[str, Path], name: str, *args: Any, **choices: Any) -> BaseProcess:
    """Do what `run` does in a process of its own."""
    return fork(run, inputs, name, *args, **choices)


def newest_step(work: Path) -> int:
    """The newest step that was logged."""
    file = work / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return max((json.loads(line).get("step", 0) for line in lines[:-1]), default=0)


def wait_until(holds: Callable[[], bool], process: BaseProcess, timeout_s: float = 120) -> None:
    """Wait for something that a process does."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert process.is_alive(), "it has ended"
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.002)


def apart_loss(network: GPT, tokens: Path, block_size: int) -> float:
    """The loss per token of documents run one by one, piece by piece."""
    losses = []
    for document in REPETITIVE[:10]:
        ids = torch.tensor([0, *document, 0])
        for at in range(0, len(ids) - 1, block_size):
            piece = ids[None, at : at + block_size + 1]
            losses.append(token_nll(network(piece[:, :-1]), piece[:, 1:])[0])
    return torch.cat(losses).mean().item()
