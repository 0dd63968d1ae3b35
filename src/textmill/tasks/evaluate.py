"""The step that evaluates a task model on the test examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.config import TaskConfig
from textmill.evaluation.seed_scores import seed_metrics
from textmill.files import write_json
from textmill.tasks.ensemble.model_folder import read_task
from textmill.tasks.ensemble.predictor import Predictor, load_predictor
from textmill.tasks.inputs import size_of
from textmill.tasks.kinds import Examples, definitions, examples_of, metrics_of
from textmill.tasks.predictions import score, signature_tags, write_predictions
from textmill.tasks.slices import FIELD, slice_metrics, slices_of


def evaluate(config: TaskConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write predictions.jsonl, metrics.json, and the signatures of the metrics as tags.json.

    If the model has several networks, the metrics include the scores of each by itself.

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
    single = read_task(inputs["model"]).single_networks()
    weightings = [predictor.weights, *single.values()]
    rows, *of_networks = predict_weighted(kind, predictor, examples, weightings)
    for row, places in zip(rows, slices_of(config, examples), strict=True):
        row |= {FIELD: places} if places else {}
    write_predictions(rows, out)
    metrics = score(config, rows) | slice_metrics(config, rows)
    scores = {name: score(config, own) for name, own in zip(single, of_networks, strict=True)}
    defined = (metric.name for metric in definitions(config.kind, config.metrics))
    names = [name for name in defined if all(name in own for own in scores.values())]
    metrics |= seed_metrics(names, scores)
    metrics["test_examples"] = len(rows)
    metrics["unusable_examples"] = examples.n_bad
    metrics["cut_examples"] = sum(row["is_cut"] for row in rows)
    write_json(out / "metrics.json", metrics)
    write_json(out / "tags.json", signature_tags(metrics_of(config.kind).signatures(config)))


def predict_examples(
    kind: Examples, predictor: Predictor, examples: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return the examples' rows of a predictions file."""
    (rows,) = predict_weighted(kind, predictor, examples, [predictor.weights])
    return rows


def predict_weighted(
    kind: Examples,
    predictor: Predictor,
    examples: Sequence[Any],
    weightings: Sequence[Sequence[float]],
) -> list[list[dict[str, Any]]]:
    """Return the examples' rows of a predictions file by each weighting of a predictor's models."""
    # Batches of similar lengths need little padding.
    by_length = sorted(range(len(examples)), key=lambda i: size_of(kind.model_input(examples[i])))
    inputs = [kind.model_input(examples[i]) for i in by_length]
    rows: list[list[dict[str, Any]]] = [[{} for _ in examples] for _ in weightings]
    streamed = predictor.stream_weighted(inputs, weightings, with_details=True)
    for i, predictions in zip(by_length, streamed, strict=True):
        for own, prediction in zip(rows, predictions, strict=True):
            own[i] = kind.reference(examples[i]) | prediction
    return rows
