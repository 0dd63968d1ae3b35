"""A toy task: who sits where, with questions that a passage answers or does not."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.conftest import QUICK, tune, write_rows
from textmill.tasks.question_answering.settings import QuestionAnsweringConfig

NAMES = ["Ann", "Bob", "Cid", "Dora", "Eve", "Finn"]
PLACES = ["garden", "kitchen", "cellar", "attic", "old barn", "blue room"]


def toy_rows(n: int, seed: int, none_share: float = 0.3) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        names, places = rng.sample(NAMES, 3), rng.sample(PLACES, 3)
        parts = [f"{name} is in the {place}." for name, place in zip(names, places, strict=True)]
        asked = rng.randrange(3)
        if rng.random() < none_share:
            parts.pop(asked)
            found: dict[str, list[Any]] = {"text": [], "answer_start": []}
        else:
            start = len(" ".join(parts[:asked])) + bool(asked) + len(f"{names[asked]} is in the ")
            found = {"text": [places[asked]], "answer_start": [start]}
        rows.append(
            {
                "question": f"Where is {names[asked]}?",
                "context": " ".join(parts),
                "answers": found,
            }
        )
    return rows


def make_config(folder: Path, **further: Any) -> QuestionAnsweringConfig:
    return QuestionAnsweringConfig.model_validate(
        {
            "kind": "question_answering",
            "name": "faq",
            "train": str(folder / "train.jsonl"),
            "test": str(folder / "test.jsonl"),
            "finetune": QUICK | {"epochs": 8},
        }
        | further
    )


@pytest.fixture(scope="session")
def faq(tmp_path_factory: pytest.TempPathFactory) -> QuestionAnsweringConfig:
    folder = tmp_path_factory.mktemp("faq")
    write_rows(folder / "train.jsonl", toy_rows(160, seed=1))
    write_rows(folder / "test.jsonl", toy_rows(40, seed=2))
    return make_config(folder)


@pytest.fixture(scope="session")
def tuned_faq(
    backbone: Path, faq: QuestionAnsweringConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("model")
    tune(faq, backbone, out, tmp_path_factory.mktemp("work"))
    return out
