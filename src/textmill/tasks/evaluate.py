"""The step that measures a task model on test examples it has never seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textmill.config import TaskConfig
from textmill.errors import best_effort
from textmill.files import write_json
from textmill.tasks.kinds import examples_of, page_of
from textmill.tasks.predictions import signature_tags, write_predictions
from textmill.tasks.predictor import load_predictor


def evaluate(config: TaskConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write predictions.jsonl, the metrics that they give, how these are computed, and plots.

    Args:
        config: the task.
        inputs: `model`, a folder of the finetune step.
        out: an empty folder.

    Raises:
        InputError: the test examples cannot be used.
    """
    kind = examples_of(config.kind)
    predictor = load_predictor(inputs["model"])
    examples = kind.read_examples(config, "test")
    kind.check_examples(config, predictor.spec, examples)
    # Texts of like length share a batch, so that little is padded.
    by_length = sorted(range(len(examples)), key=lambda i: len(kind.model_input(examples[i])))
    answers = predictor([kind.model_input(examples[i]) for i in by_length])
    rows: list[dict[str, Any]] = [{} for _ in examples]
    for i, answer in zip(by_length, answers, strict=True):
        rows[i] = kind.reference(examples[i]) | answer
    write_predictions(rows, out)
    metrics = kind.score(config, rows)
    metrics["test_examples"] = len(rows)
    metrics["unusable_examples"] = examples.n_bad
    metrics["cut_examples"] = sum(row["is_cut"] for row in rows)
    write_json(out / "metrics.json", metrics)
    write_json(out / "tags.json", signature_tags(kind.signatures(config)))
    with best_effort("the picture of the scores"):
        page_of(config.kind).plot(rows, out)
