"""The step that evaluates a task model on the test examples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from textmill.config import TaskConfig
from textmill.evaluation.spreads import SEEDS, spread_metrics
from textmill.files import write_json
from textmill.tasks.ensemble.example_rows import predict_weighted
from textmill.tasks.ensemble.model_folder import read_task
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.kinds import definitions, examples_of, metrics_of
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
    for row, fields in zip(rows, predictor.likelihoods(examples), strict=True):
        row |= fields
    for row, places in zip(rows, slices_of(config, examples), strict=True):
        row |= {FIELD: places} if places else {}
    write_predictions(rows, out)
    metrics = score(config, rows) | slice_metrics(config, rows)
    scores = {name: score(config, own) for name, own in zip(single, of_networks, strict=True)}
    defined = (metric.name for metric in definitions(config.kind, config.metrics))
    names = [name for name in defined if all(name in own for own in scores.values())]
    metrics |= spread_metrics(names, scores, SEEDS)
    metrics["test_examples"] = len(rows)
    metrics["unusable_examples"] = examples.n_bad
    metrics["cut_examples"] = sum(row["is_cut"] for row in rows)
    write_json(out / "metrics.json", metrics)
    write_json(out / "tags.json", signature_tags(metrics_of(config.kind).signatures(config)))
