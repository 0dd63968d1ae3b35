"""Recipes of pretraining compared at equal time, on the corpus of a configuration.

    python benchmarks/recipes.py [SETTING=VALUE ...] --config FILE [--seconds 120 | --steps N]
                                 [--seeds 3] [--only NAME ...]

The configuration sets all sizes (budget_minutes: null); the number of steps follows from the time.
Each recipe first measures its steps per second on this machine, and then trains for as many steps
as fit into the given time, so that a step that costs more has to teach more. With --steps, all
train for as many, which other work on the machine does not disturb. The score is the loss on the
corpus's whole validation split, in bits per byte. For each recipe: steps, seconds really taken,
mean and standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from textmill.compose import compose
from textmill.config import Config, LanguageModelStepConfig, PretrainStepConfig, TokensConfig
from textmill.corpus.cleaning.clean import clean
from textmill.corpus.tokens.corpus_tokens import tokenize
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.files import read_json
from textmill.hardware import n_cores, set_up_torch
from textmill.steps.graph import CLEAN, GRAPH, TASK_TEXTS
from textmill.tasks.language_model.evaluate import evaluate_lm
from textmill.tasks.texts import collect_texts
from textmill.training.planning.plan import measure_speed
from textmill.training.pretrain import pretrain

RECIPES: dict[str, list[str]] = {
    "adamw, rate 0.002": ["pretrain.optimizer=adamw", "pretrain.learning_rate=0.002"],
    "adamw, rate 0.004": ["pretrain.optimizer=adamw", "pretrain.learning_rate=0.004"],
    "muon, rate 0.002": ["pretrain.optimizer=muon", "pretrain.learning_rate=0.002"],
    "muon, rate 0.004": ["pretrain.optimizer=muon", "pretrain.learning_rate=0.004"],
    "muon, rate 0.004, linear to 0": [
        "pretrain.optimizer=muon", "pretrain.learning_rate=0.004", "pretrain.schedule=linear",
        "pretrain.final_learning_rate_share=0",
    ],
    "muon, rate 0.004, average of weights": [
        "pretrain.optimizer=muon", "pretrain.learning_rate=0.004", "pretrain.average_decay=0.98",
    ],
    "muon, rate 0.004, hybrid": [
        "pretrain.optimizer=muon", "pretrain.learning_rate=0.004", "pretrain.objective=hybrid",
        "pretrain.masked_share=0.5", "pretrain.mask_share=0.3",
    ],
    "muon, rate 0.004, half the batch": [
        "pretrain.optimizer=muon", "pretrain.learning_rate=0.004", "pretrain.micro_batch_size=16",
    ],
    "muon, rate 0.004, 3 layers of 192": [
        "pretrain.optimizer=muon", "pretrain.learning_rate=0.004", "model.n_layer=3",
        "model.n_head=3", "model.n_embd=192",
    ],
}  # fmt: skip
"""Settings of each recipe, besides those of the configuration."""


def made(folder: Path, name: str) -> Path:
    """Return a new folder."""
    place = folder / name
    place.mkdir(parents=True)
    return place


def prepare(config: Config, folder: Path) -> dict[str, Path]:
    """Return the folders of tokens and tokenizer, the inputs of pretraining."""
    corpus, tokenizer, tokens = (made(folder, name) for name in ("corpus", "tokenizer", "tokens"))
    texts, inputs = GRAPH.part(TASK_TEXTS), {}
    if texts.exists(config):
        inputs["task_texts"] = made(folder, "texts")
        collect_texts(texts.configure(config), {}, inputs["task_texts"])
    clean(GRAPH.part(CLEAN).configure(config), inputs, corpus)
    train_tokenizer(config.tokenizer.sized(), {"corpus": corpus}, tokenizer)
    tokenize(TokensConfig(), {"corpus": corpus, "tokenizer": tokenizer}, tokens)
    return {"tokens": tokens, "tokenizer": tokenizer}


def with_steps(
    config: Config, vocab_size: int, seconds: float, n_steps: int | None = None
) -> PretrainStepConfig:
    """Return a training without validations; without steps, as many as fit into a time."""
    model = config.model.sized().model_copy(update={"vocab_size": vocab_size})
    training = config.pretrain.model_copy(update={"max_steps": 2, "warmup_steps": 1}).sized()
    if n_steps is None:
        per_step = training.micro_batch_size * training.accumulate * model.block_size
        n_steps = round(seconds * measure_speed(model, training).tokens_per_s / per_step)
    settings = training.model_copy(
        update={
            "max_steps": n_steps,
            "warmup_steps": n_steps // 20,
            "validate_every_steps": n_steps,
            "validation_blocks": 1,
            "sample_tokens": 0,
        }
    )
    return PretrainStepConfig(
        model=config.model.sized(), pretrain=settings, weights=config.source_weights
    )


def train(
    step: PretrainStepConfig, seed: int, inputs: dict[str, Path], folder: Path
) -> tuple[float, float]:
    """Return the bits per byte of a training with a seed, and its seconds."""
    out = made(folder, "backbone")
    seeded = step.pretrain.model_copy(update={"seed": seed})
    started_s = time.perf_counter()
    pretrain(step.model_copy(update={"pretrain": seeded}), inputs, out, made(folder, "work"))
    seconds = time.perf_counter() - started_s
    scores = made(folder, "scores")
    evaluate_lm(LanguageModelStepConfig(), {"backbone": out, "tokens": inputs["tokens"]}, scores)
    return read_json(scores / "metrics.json")["bits_per_byte"], seconds


def compare(arguments: Any, folder: Path) -> None:
    """Train every recipe with every seed, and print a line for each."""
    set_up_torch(n_cores())
    given: Sequence[str] = arguments.settings
    inputs = prepare(compose(arguments.config, given), folder)
    vocab_size = read_json(inputs["tokens"] / "index.json")["vocab_size"]
    print(
        f"| recipe | steps | seconds | bits per byte ({arguments.seeds} seeds) |\n|---|---|---|---|"
    )
    for name in arguments.only or RECIPES:
        config = compose(arguments.config, [*RECIPES[name], *given])
        step = with_steps(config, vocab_size, arguments.seconds, arguments.steps)
        found = []
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as work:
                found.append(train(step, seed, inputs, Path(work)))
        scores, seconds = zip(*found, strict=True)
        deviation = f" ± {stdev(scores):.4f}" if len(scores) > 1 else ""
        taken = mean(seconds)
        n_steps = step.pretrain.max_steps
        print(f"| {name} | {n_steps:,} | {taken:.0f} | {mean(scores):.4f}{deviation} |", flush=True)


def main() -> None:
    """Run the comparison in a temporary folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=120.0)
    length.add_argument("--steps", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=RECIPES, metavar="NAME")
    parser.add_argument("settings", nargs="*", metavar="SETTING=VALUE")
    with tempfile.TemporaryDirectory() as folder:
        compare(parser.parse_args(), Path(folder))


if __name__ == "__main__":
    main()
