"""Specifies that preparing a corpus takes bounded memory, however large it is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pydantic import BaseModel

from textmill.config import CleanConfig, TokenizerConfig, TokensConfig
from textmill.files import read_json
from textmill.steps.graph import CLEAN, TOKENIZER, TOKENS
from textmill.steps.process import Job, run_job
from textmill.steps.step import Step

MIB = 1 << 20
CORPUS_BYTES = 192 * MIB  # a constant: 2048 MiB must pass as well
MAX_BYTES = 1536 * MIB  # of resident memory, of all processes of a step together
SHARD_BYTES = 32 * MIB
N_PROCESSES = 2
N_WORDS = 200_000
KINDS = {"stories": "en", "notes": "de", "chinese": "zh"}


def vocabulary(random: np.random.Generator) -> list[str]:
    """Return words of two to five syllables."""
    syllables = [c + v + e for c in "bdfgklmnprst" for v in "aeiou" for e in ("", "n", "r", "s")]
    counts = random.integers(2, 6, N_WORDS)
    chosen = iter(random.integers(0, len(syllables), counts.sum()).tolist())
    return ["".join(syllables[next(chosen)] for _ in range(n)) for n in counts.tolist()]


def paragraphs(kind: str, number: int) -> Iterator[str]:
    """Yield the paragraphs of one shard: of some 1,200 bytes, commoner words first (Zipf's law)."""
    random = np.random.default_rng([sorted(KINDS).index(kind), number])
    if kind == "chinese":
        while True:
            codes = 0x4E00 + np.minimum(random.zipf(1.2, 400), 6000).astype(np.uint16)
            codes[random.integers(0, 400, 30)] = ord("，")
            yield codes.astype("<u2").tobytes().decode("utf-16-le") + "。"
    words = vocabulary(np.random.default_rng(1))
    while True:
        chosen = np.minimum(random.zipf(1.1, 180), N_WORDS) - 1
        numbers = random.integers(0, 10**6, 6).tolist()
        picked = [words[i] for i in chosen.tolist()]
        yield f"{' '.join(picked)}. It was {', '.join(map(str, numbers))} by then."


def write_corpus(folder: Path) -> None:
    """Write shards, the same number for each source."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
        for number in range(max(1, CORPUS_BYTES // (SHARD_BYTES * len(KINDS)))):
            size = 0
            with (folder / kind / f"{number:04}.txt").open("w") as stream:
                for text in paragraphs(kind, number):
                    stream.write(f"{text}\n\n")
                    size += len(text.encode()) + 2
                    if size >= min(SHARD_BYTES, CORPUS_BYTES // len(KINDS)):
                        break


def resident_bytes() -> int:
    """Return the proportional set size of all that this process has started.

    Without its own, which is that of all the tests that ran before in it.
    """
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue  # it has just ended
    return total


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_large_corpus_is_prepared_in_bounded_memory(tmp_path: Path) -> None:
    write_corpus(tmp_path / "raw")
    folders = {name: tmp_path / name for name in ("corpus", "tokenizer", "tokens")}
    peaks: dict[str, int] = {}

    def run(step: Step, config: BaseModel, **inputs: Path) -> None:
        out = folders[{CLEAN: "corpus"}.get(step, step.name)]
        work = tmp_path / f"work-{step.name}"
        out.mkdir()
        work.mkdir()

        def watch() -> None:
            peaks[step.name] = max(peaks.get(step.name, 0), resident_bytes())

        run_job(Job(step, config, inputs, out, work, N_PROCESSES), watch, interval_s=1)

    sources: list[dict[str, Any]] = [
        {
            "name": kind,
            "path": str(tmp_path / "raw" / kind),
            "documents": "paragraph",
            "language": language,
        }
        for kind, language in KINDS.items()
    ]
    run(
        CLEAN,
        CleanConfig.model_validate({"sources": sources, "near_duplicates": {"enabled": True}}),
    )
    kept = read_json(folders["corpus"] / "metrics.json")
    assert kept["bytes_kept"] > 0.9 * CORPUS_BYTES
    run(TOKENIZER, TokenizerConfig(vocab_size=16384), corpus=folders["corpus"])
    run(TOKENS, TokensConfig(), corpus=folders["corpus"], tokenizer=folders["tokenizer"])
    shown = {name: f"{peak / MIB:.0f} MiB" for name, peak in peaks.items()}
    logging.getLogger(__name__).info("%s documents: %s", kept["documents_read"], shown)
    assert max(peaks.values()) < MAX_BYTES, shown
