"""Memory of `textmill serve` with one LoRA task, and with four on the same backbone.

    python benchmarks/serving_memory.py

The backbone has the shape of GPT-2 124M, random weights and the vocabulary of single bytes, which
makes it one of 86 million parameters. Each task of the demo trains one step of LoRA on it. The
memory is that of the whole server, Python and its libraries included, after an answer of each task.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import psutil
import torch

from benchmarks.serving import TEXTMILL, start, wait_for_answer
from textmill import model as models
from textmill.compose import compose
from textmill.config import ModelConfig, TokenizerConfig
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.model import GPT

N_IDS = 270
TASKS = ("topic", "sentiment", "ner", "subjects")
SETTINGS = (
    "sample.n_documents=400",
    "sample.n_train=60",
    "sample.n_test=20",
    "pretrain.max_steps=0",
    "model=auto",
    "model.block_size=256",
    "tokenizer.vocab_size=null",
    "finetune.method=lora",
    "finetune.lora.merge=false",
    "finetune.epochs=null",
    "finetune.max_steps=1",
    "finetune.candidates=[network]",
    "promotion.must_beat=null",
)


def save_backbone(folder: Path) -> None:
    """Write a backbone with random weights and its tokenizer."""
    config = compose("demo", ["model=gpt2-124m"]).model.model_dump()
    shape = ModelConfig.model_validate(config | {"vocab_size": N_IDS, "dropout": 0.0})
    torch.manual_seed(0)
    folder.mkdir()
    models.save(GPT(shape), folder)
    train_tokenizer(TokenizerConfig(kind="byte", vocab_size=N_IDS), {"corpus": folder}, folder)


def memory_mib(project: Path, tasks: tuple[str, ...], settings: list[str]) -> float:
    """Return the memory of a server after an answer of each task, shared pages in proportion."""
    names = ",".join(f"sample-{task}" for task in tasks)
    server, address, first_s = start([*settings, f"tasks=[{names}]"], tasks[0], project)
    try:
        for task in tasks:
            wait_for_answer(address, task)
        mib = psutil.Process(server.pid).memory_full_info().pss / 2**20
    finally:
        server.terminate()
        server.wait()
    print(f"{len(tasks)} tasks: {mib:6.0f} MiB, first answer after {first_s:.1f} s", flush=True)
    return float(mib)


def main() -> None:
    """Train four tasks, and print the memory of servers of one and of all."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        save_backbone(project / "backbone")
        settings = [f"pretrain.init_from={project / 'backbone'}", *SETTINGS]
        tasks = ",".join(f"sample-{task}" for task in TASKS)
        subprocess.run([TEXTMILL, "run", *settings, f"tasks=[{tasks}]"], cwd=project, check=True)
        one, four = (memory_mib(project, TASKS[:n], settings) for n in (1, 4))
        print(f"four tasks take {four / one:.2f} x the memory of one")


if __name__ == "__main__":
    main()
