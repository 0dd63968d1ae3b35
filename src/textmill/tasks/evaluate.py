"""The step that evaluates a task model on the test examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.config import TaskConfig
from textmill.files import write_json
from textmill.tasks.ensemble.predictor import Predictor, load_predictor
from textmill.tasks.inputs import size_of
from textmill.tasks.kinds import Examples, examples_of, metrics_of
from textmill.tasks.predictions import score, signature_tags, write_predictions
from textmill.tasks.slices import FIELD, slice_metrics, slices_of


def evaluate(config: TaskConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write predictions.jsonl, metrics.json, and the signatures of the metrics as tags.json.

    Args:
        config: the task.
        inputs: `model`, a folder of the finetune step.
        out: an empty folder.

    Raises:
        InputError: the test examples are invalid, or the machine lacks the device.
    """
    kind = examples_of(config.kind)
    predictor = load_predictor(inputs["model"], config.finetune.accelerator)
    examples = kind.read_examples(config, "test")
    kind.check_examples(config, predictor.spec, examples)
    rows = predict_examples(kind, predictor, examples)
    for row, places in zip(rows, slices_of(config, examples), strict=True):
        row |= {FIELD: places} if places else {}
    write_predictions(rows, out)
    metrics = score(config, rows) | slice_metrics(config, rows)
    metrics["test_examples"] = len(rows)
    metrics["unusable_examples"] = examples.n_bad
    metrics["cut_examples"] = sum(row["is_cut"] for row in rows)
    write_json(out / "metrics.json", metrics)
    write_json(out / "tags.json", signature_tags(metrics_of(config.kind).signatures(config)))


def predict_examples(
    kind: Examples, predictor: Predictor, examples: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return the examples' rows of a predictions file."""
    # Batches of similar lengths need little padding.
    by_length = sorted(range(len(examples)), key=lambda i: size_of(kind.model_input(examples[i])))
    inputs = [kind.model_input(examples[i]) for i in by_length]
    predictions = predictor.stream(inputs, with_details=True)
    rows: list[dict[str, Any]] = [{} for _ in examples]
    for i, prediction in zip(by_length, predictions, strict=True):
        rows[i] = kind.reference(examples[i]) | prediction
    return rows
