"""A toy task: the things that a text names, which may be none."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.conftest import NEUTRAL, QUICK, write_rows
from textmill.tasks.multilabel.settings import MultilabelConfig

THINGS = {"light": ["lamp", "candle"], "seat": ["chair", "bench"], "rare": ["piano", "organ"]}
SHARES = {"light": 0.5, "seat": 0.4, "rare": 0.15}


def toy_rows(n: int, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        labels = [label for label in THINGS if rng.random() < SHARES[label]]
        words = rng.choices(NEUTRAL, k=rng.randint(2, 5))
        words += [rng.choice(THINGS[label]) for label in labels]
        rng.shuffle(words)
        rows.append({"text": " ".join(words), "labels": labels})
    return rows


def make_config(folder: Path, **further: Any) -> MultilabelConfig:
    return MultilabelConfig.model_validate(
        {
            "kind": "multilabel",
            "name": "things",
            "train": str(folder / "train.jsonl"),
            "test": str(folder / "test.jsonl"),
            "finetune": QUICK | {"epochs": 12},
        }
        | further
    )


@pytest.fixture(scope="session")
def things(tmp_path_factory: pytest.TempPathFactory) -> MultilabelConfig:
    folder = tmp_path_factory.mktemp("things")
    write_rows(folder / "train.jsonl", toy_rows(240, seed=1))
    write_rows(folder / "test.jsonl", toy_rows(60, seed=2))
    return make_config(folder)
