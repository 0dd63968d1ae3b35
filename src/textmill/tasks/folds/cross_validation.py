"""The step that cross-validates the training of a task's model.

A test set of few examples says little. In a cross-validation, every training example is a test
example once: of a model that was trained without its fold. Each of these trainings is a whole one,
with a validation split of its own, all seeds, and the choice among the candidates; so nothing is
selected by the examples that are scored (Varma & Simon 2006, "Bias in error estimation when using
cross-validation for model selection"). The task's model itself is that of the step `finetune`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.config import TaskConfig
from textmill.evaluation.jackknife import standard_error
from textmill.evaluation.metrics import Row, leading
from textmill.evaluation.spreads import (
    DEVIATION,
    FOLDS,
    TRAININGS,
    deviation_of_trainings,
    spread_metrics,
)
from textmill.files import read_json, write_json
from textmill.tasks.ensemble.example_rows import predict_examples
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.finetune import (
    checked_spec,
    spec_of_part,
    split_off,
    train_model,
    training_examples,
)
from textmill.tasks.folds.division import divide
from textmill.tasks.kinds import BASELINE, baselines_of, definitions, examples_of
from textmill.tasks.predictions import score, write_predictions
from textmill.training.metrics_file import MetricsFile

MODEL = "model"
"""The model in place of the name of a baseline."""
FOLD = "fold"
"""The field of a row of predictions with the number of its fold, from 1."""

Rows = dict[str, list[dict[str, Any]]]
"""Rows of a predictions file, by what made them: MODEL, or a baseline."""


def cross_validate(config: TaskConfig, inputs: Mapping[str, Path], out: Path, work: Path) -> None:
    """Write the out-of-fold predictions of all training examples, and the scores of the folds.

    The metrics are `folds/<metric>/fold-1` and so on, `…/mean` and `…/deviation`, and the same of
    the classical baseline under `baseline/`. The scores of all predictions together have no
    prefix, and `training_deviation/<metric>` is for the promotion gate.

    Args:
        config: the task, with the number of folds.
        inputs: `backbone`, a folder of the pretrain step.
        out: an empty folder.
        work: a folder with the folds and checkpoints of an interrupted run, if any.

    Raises:
        InputError: the examples are invalid, or too few.
        RunError: a training diverged, or was stopped at a checkpoint.
    """
    validation = _CrossValidation(config, inputs["backbone"], work)
    metric = leading(definitions(config.kind)).name
    progress = MetricsFile(work, total_steps=len(validation.folds))
    folds: list[Rows] = []
    for number in range(1, len(validation.folds) + 1):
        folds.append(validation.rows(number))
        progress.write(number, {f"{metric}/by_fold": score(config, folds[-1][MODEL])[metric]})
    metrics: dict[str, float] = {"train_examples": len(validation.examples)}
    for name in folds[0]:
        parts = [rows[name] for rows in folds]
        place = out if name == MODEL else out / name
        place.mkdir(exist_ok=True)
        write_predictions(validation.in_order(parts), place)
        if name in (MODEL, baselines_of(config.kind).CLASSICAL_BASELINE):
            prefix = "" if name == MODEL else f"{BASELINE}/"
            metrics |= {f"{prefix}{key}": value for key, value in _metrics(config, parts).items()}
    write_json(out / "metrics.json", metrics)


class _CrossValidation:
    """Trains and scores the models of the folds; finished ones are kept in the work folder."""

    def __init__(self, config: TaskConfig, backbone: Path, work: Path) -> None:
        self.config, self.backbone, self.work = config, backbone, work
        self.kind = examples_of(config.kind)
        self.examples = training_examples(config, self.kind)
        self.folds = divide(config, self.kind, self.examples)
        self.validation: list[Any] | None = None
        if config.validation is not None:
            self.validation = self.kind.read_examples(config, "validation")
        # For folds with the only examples of a label: which labels there are is known.
        self.spec = checked_spec(config, self.kind, self.examples, self.validation or [])
        for number in range(1, len(self.folds) + 1):
            self.splits(number)  # fails at once, if it will

    def rest(self, number: int) -> list[Any]:
        """Return the examples of the other folds."""
        held_out = {*self.folds[number - 1]}
        return [example for i, example in enumerate(self.examples) if i not in held_out]

    def splits(self, number: int) -> tuple[list[Any], list[Any]]:
        """Return the examples that a fold's model is trained on, and those that select it."""
        rest = self.rest(number)
        if self.validation is not None:
            return rest, self.validation
        return split_off(self.config, self.kind, rest)

    def rows(self, number: int) -> Rows:
        """Return the predictions of a fold, computed unless an earlier attempt has done so."""
        folder = self.work / "folds" / f"{FOLD}-{number}"
        file = folder.with_suffix(".json")
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(file, self._compute(number, folder))
        shutil.rmtree(folder, ignore_errors=True)  # its checkpoints
        rows: Rows = read_json(file)
        return rows

    def _compute(self, number: int, work: Path) -> Rows:
        held_out = [self.examples[i] for i in self.folds[number - 1]]
        rest, splits = self.rest(number), self.splits(number)
        spec = spec_of_part(self.config, self.kind, splits, held_out, self.spec)
        # Saved and loaded, so that what is scored is what `finetune` would have stored.
        saved = work / MODEL
        shutil.rmtree(saved, ignore_errors=True)
        saved.mkdir()
        backbone = self.backbone
        train_model(self.config, spec, splits, rest, backbone, saved, work)
        predictor = load_predictor(saved, self.config.finetune.accelerator)
        rows = {MODEL: predict_examples(self.kind, predictor, held_out)}
        for name, answers, _ in baselines_of(self.config.kind).baselines(spec, rest, held_out):
            rows[name] = [
                self.kind.reference(example) | answer
                for example, answer in zip(held_out, answers, strict=True)
            ]
        return {name: [row | {FOLD: number} for row in of] for name, of in rows.items()}

    def in_order(self, parts: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the rows of all folds in the order of the examples."""
        found = {
            index: row
            for fold, rows in zip(self.folds, parts, strict=True)
            for index, row in zip(fold, rows, strict=True)
        }
        return [found[index] for index in sorted(found)]


def _metrics(config: TaskConfig, parts: Sequence[Sequence[Row]]) -> dict[str, float]:
    """Return the metrics of a model from its rows in each fold."""
    scores = {f"{FOLD}-{number}": score(config, rows) for number, rows in enumerate(parts, 1)}
    together = score(config, [row for rows in parts for row in rows])
    defined = [metric.name for metric in definitions(config.kind) if metric.name in together]
    names = [name for name in defined if all(name in own for own in scores.values())]
    metrics = {name: together[name] for name in defined}
    metrics |= spread_metrics(names, scores, FOLDS)
    metric = leading(definitions(config.kind)).name
    sampling = [_sampling_error(config, metric, rows) for rows in parts]
    deviation = metrics[f"{FOLDS}{metric}/{DEVIATION}"]
    return metrics | {f"{TRAININGS}{metric}": deviation_of_trainings(deviation, sampling)}


def _sampling_error(config: TaskConfig, metric: str, rows: Sequence[Row]) -> float:
    """Return the standard error of a score for the choice of its examples."""

    def of(is_kept: NDArray[np.bool_]) -> float:
        return score(config, [*compress(rows, is_kept)])[metric]

    return standard_error(len(rows), of)
