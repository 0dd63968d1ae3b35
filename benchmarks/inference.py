"""Speed of generation, compared with transformers, CTranslate2 and ONNX Runtime.

    python benchmarks/inference.py [NAME ...] [--threads N] [--repetitions N]

Without names, all measurements are taken. Weights are random, and the same for all. Tokens are
chosen greedily. The repetitions of all contestants alternate, and the medians are compared. CPU
times are those of all threads; with --threads 1, they hardly depend on other programs. CTranslate2
and ONNX Runtime run what `textmill export` writes, in processes of their own: in one process, their
threads took a quarter of the speed of torch's.

    gpt2-124m    GPT-2 124M, batch 1, a prompt of 32 tokens, 64 new tokens, in fp32, bf16 and int8;
                 exported in fp32 and int8
    modern-25m   the same on the architecture of Qwen3 with 25 million parameters
    modern-5m    the same with 5 million
    ragged       32 prompts of 4 to 64 tokens, 64 new tokens each, with modern-25m: ours together,
                 and in transformers one after another
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer

from textmill import model as models
from textmill.compose import compose
from textmill.config import (
    GenerationConfig,
    GenerationPrecision,
    ModelConfig,
    Precision,
    TokenizerConfig,
)
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.exporting.measuring import Generator
from textmill.exporting.other_libraries import write_ctranslate2, write_onnx
from textmill.hardware import best_precision, n_cores, set_up_torch
from textmill.model import GPT
from textmill.model.continuous_batch import ContinuousBatch, Generated
from textmill.model.generation import prepare

N_PROMPT, N_NEW = 32, 64
N_RAGGED = 32
RAGGED_LENGTHS = (4, 64)
VOCAB_SIZE = 8192
"""Of the small models."""
BYTES = TokenizerConfig(kind="byte", vocab_size=270)
"""The tokenizer, which gets as many further tokens as the model has: CTranslate2 wants spellings.
Prompts are made of the first."""
WRITERS: Mapping[str, Callable[..., tuple[float, Generator]]] = {
    "CTranslate2": write_ctranslate2,
    "ONNX Runtime": write_onnx,
}
DTYPES = {"32": torch.float32, "bf16": torch.bfloat16}

Prompts = Sequence[Sequence[int]]
Tokens = list[list[int]]


class Completed(NamedTuple):
    """The new tokens of each prompt, and the time that they took."""

    tokens: Tokens
    wall_s: float
    cpu_s: float


class Contestant(NamedTuple):
    """A way to complete prompts."""

    name: str
    run: Callable[[Prompts], Completed]


def timed(complete: Callable[[Prompts], Tokens], prompts: Prompts) -> Completed:
    """Return what a function makes of prompts, and the time of its process."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    tokens = complete(prompts)
    return Completed(tokens, time.perf_counter() - wall_s, time.process_time() - cpu_s)


def architecture(name: str) -> ModelConfig:
    """Return the architecture of a file in conf/model/, with a context of 256 if it is small."""
    is_gpt2 = name == "gpt2-124m"
    block_size, vocab_size = (1024, 50_257) if is_gpt2 else (256, VOCAB_SIZE)
    values = compose("demo", [f"model={name}"]).model.model_dump()
    return ModelConfig.model_validate(
        values | {"block_size": block_size, "vocab_size": vocab_size, "dropout": 0.0}
    )


def ours(folder: Path, precision: GenerationPrecision) -> Contestant:
    """Return our generation, all prompts together."""
    network = prepare(models.load(folder), precision)
    config = GenerationConfig(max_new_tokens=N_NEW, temperature=0)

    def complete(prompts: Prompts) -> Tokens:
        batch = ContinuousBatch(network, len(prompts))
        texts = [Generated(prompt, config) for prompt in prompts]
        for text in texts:
            batch.add(text)
        while batch.texts:
            batch.step()
        return [text.tokens for text in texts]

    return Contestant(f"ours, {precision}", partial(timed, complete))


def theirs(folder: Path, precision: Precision) -> Contestant:
    """Return generation with transformers, one prompt after another."""
    from transformers import AutoModelForCausalLM

    network: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[precision]).eval()
    settings: dict[str, Any] = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0}

    def complete(prompts: Prompts) -> Tokens:
        tokens = []
        for prompt in prompts:
            input_ids = torch.tensor([prompt])
            mask = torch.ones_like(input_ids)
            whole = network.generate(
                input_ids, attention_mask=mask, max_new_tokens=N_NEW, **settings
            )
            tokens.append(whole[0, len(prompt) :].tolist())
        return tokens

    return Contestant(f"transformers, {precision}", partial(timed, complete))


def exported(folder: Path, library: str, quantization: str, stack: ExitStack) -> Contestant:
    """Return generation with an exported model, one prompt after another.

    Args:
        folder: of the model.
        library: a name in `WRITERS`.
        quantization: of the weights.
        stack: ends the process.
    """
    given = (folder, library, quantization)
    process = ProcessPoolExecutor(1, get_context("spawn"), _open_exported, given)
    stack.enter_context(process)
    return Contestant(
        f"{library}, {quantization}",
        lambda prompts: process.submit(timed, _complete_exported, prompts).result(),
    )


_opened: list[Generator] = []
"""The exported model, in its process."""


def _open_exported(folder: Path, library: str, quantization: str) -> None:
    out = folder / f"{library}-{quantization}"
    out.mkdir()
    _opened.append(WRITERS[library](folder, models.load(folder), quantization, out)[1])


def _complete_exported(prompts: Prompts) -> Tokens:
    return [_opened[0].generate(prompt, N_NEW) for prompt in prompts]


def compare(
    title: str, contestants: Sequence[Contestant], prompts: Prompts, repetitions: int
) -> None:
    """Print tokens per second of each, and how many times those of the last one they are.

    The last one is the reference, whose tokens are compared with the others'.
    """
    tokens = {who.name: who.run(prompts).tokens for who in contestants}  # also warms up
    times: dict[str, list[tuple[float, float]]] = {who.name: [] for who in contestants}
    for _ in range(repetitions):
        for who in contestants:
            times[who.name].append(who.run(prompts)[1:])
    medians = {
        name: [statistics.median(column) for column in zip(*found, strict=True)]
        for name, found in times.items()
    }
    reference = contestants[-1].name
    expected = [token for row in tokens[reference] for token in row]
    n_tokens = len(prompts) * N_NEW
    for name, (wall_s, cpu_s) in medians.items():
        found = [token for row in tokens[name] for token in row]
        equal = sum(a == b for a, b in zip(found, expected, strict=True)) / len(expected)
        print(
            f"{title:<12} {name:<21} {n_tokens / wall_s:8.1f} tokens/s"
            f" {medians[reference][0] / wall_s:6.2f} x, {n_tokens / cpu_s:8.1f} per CPU s"
            f" {medians[reference][1] / cpu_s:6.2f} x   {equal:6.1%} of the tokens equal",
            flush=True,
        )


def single(name: str, folder: Path, repetitions: int) -> None:
    """Compare the completion of one prompt."""
    generator = random.Random(0)
    config = architecture(name)
    prompts = [[generator.randrange(BYTES.vocab_size or 0) for _ in range(N_PROMPT)]]
    save(config, folder)
    precisions = dict.fromkeys((best_precision("cpu"), "32"))
    with ExitStack() as stack:
        contestants = [
            ours(folder, "int8"),
            *(exported(folder, lib, q, stack) for lib in WRITERS for q in ("int8", "float32")),
            *(m(folder, p) for m in (ours, theirs) for p in precisions),
        ]
        compare(name, contestants, prompts, repetitions)


def ragged(folder: Path, repetitions: int) -> None:
    """Compare the completion of many prompts of different lengths."""
    generator = random.Random(0)
    config = architecture("modern-25m")
    lengths = [generator.randint(*RAGGED_LENGTHS) for _ in range(N_RAGGED)]
    prompts = [[generator.randrange(VOCAB_SIZE) for _ in range(n)] for n in lengths]
    save(config, folder)
    precisions: tuple[GenerationPrecision, ...] = ("int8", best_precision("cpu"), "32")
    contestants = [ours(folder, one) for one in dict.fromkeys(precisions)]
    compare("ragged", [*contestants, theirs(folder, "32")], prompts, repetitions)


def save(config: ModelConfig, folder: Path) -> None:
    """Write a model with random weights."""
    torch.manual_seed(0)
    network = GPT(config)
    print(f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f} million parameters")
    models.save(network, folder)
    train_tokenizer(BYTES, {"corpus": folder}, folder)
    file = str(folder / TOKENIZER_FILES[0])
    tokenizer = Tokenizer.from_file(file)
    n_further = (config.vocab_size or 0) - tokenizer.get_vocab_size()
    tokenizer.add_tokens([f"<{number}>" for number in range(n_further)])
    tokenizer.save(file)


MEASUREMENTS = ("gpt2-124m", "modern-25m", "modern-5m", "ragged")


def main() -> None:
    """Take the measurements named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--threads", type=int, default=n_cores())
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    if unknown := {*arguments.names} - {*MEASUREMENTS}:
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(MEASUREMENTS)}")
    # ONNX Runtime and CTranslate2 take a thread for each core that the process may use.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    set_up_torch(arguments.threads)
    for name in arguments.names or MEASUREMENTS:
        with tempfile.TemporaryDirectory() as folder:
            if name == "ragged":
                ragged(Path(folder), arguments.repetitions)
            else:
                single(name, Path(folder), arguments.repetitions)


if __name__ == "__main__":
    main()
