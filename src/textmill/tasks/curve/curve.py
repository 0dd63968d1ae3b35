"""The step that measures the learning curve of a task: whether pretraining pays.

A model of every arm is trained on nested subsets of the training examples, with several seeds, and
scored on the test examples. Nothing is selected by them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textmill.config import CurveStepConfig, TaskConfig
from textmill.evaluation.learning_curve import FILE, LearningCurve, Point, metric_name
from textmill.evaluation.metrics import leading
from textmill.files import read_json, write_json
from textmill.tasks.curve.arms import arms_of, fit_arm
from textmill.tasks.curve.subsets import ranked, sizes_of, subset
from textmill.tasks.ensemble.candidates import Compared
from textmill.tasks.ensemble.example_rows import predict_examples
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.finetune import checked_spec, spec_of_part, split_off, training_examples
from textmill.tasks.kinds import BASELINE, answers_of, definitions, examples_of
from textmill.tasks.predictions import score
from textmill.training.metrics_file import MetricsFile


def measure_curve(
    config: CurveStepConfig, inputs: Mapping[str, Path], out: Path, work: Path
) -> None:
    """Write every score to curve.json, and means and standard deviations to metrics.json.

    Args:
        config: the task, and its curve section.
        inputs: `backbone`, a folder of the pretrain step.
        out: an empty folder.
        work: a folder with the points and checkpoints of an interrupted run, if any.

    Raises:
        InputError: the examples are invalid, or too few.
        RunError: a training diverged, or was stopped at a checkpoint.
    """
    task = config.task
    kind = examples_of(task.kind)
    measurement = _Measurement(task, inputs["backbone"], work)
    sizes = sizes_of(config.curve, task.name, measurement.examples, kind.stratum)
    first = task.finetune.seed
    if task.validation is None:
        for seed in range(first, first + config.curve.seeds):
            split_off(task, kind, measurement.subset(sizes[0], seed))  # fails at once, if it will
    plans = [
        (arm, size, seed)
        for seed in range(first, first + config.curve.seeds)
        for size in sizes
        for arm in arms_of(task.kind)
    ]
    progress = MetricsFile(work, total_steps=len(plans))
    points = []
    for number, plan in enumerate(plans, 1):
        point = measurement.point(*plan)
        name = metric_name(point.arm, point.labels, sizes[-1])
        progress.write(number, {f"{name}/by_seed": point.score})
        points.append(point)
    metric = leading(definitions(task.kind))
    curve = LearningCurve(
        metric=metric.name, lower_is_better=metric.lower_is_better, points=tuple(points)
    )
    write_json(out / FILE, curve.model_dump())
    counts = {"train_examples": sizes[-1], "test_examples": len(measurement.test)}
    write_json(out / "metrics.json", counts | curve.metrics())


class _Measurement:
    """Trains and scores the points of a curve; finished ones are kept in the work folder."""

    def __init__(self, task: TaskConfig, backbone: Path, work: Path) -> None:
        self.task, self.backbone, self.work = task, backbone, work
        self.kind = examples_of(task.kind)
        self.examples = training_examples(task, self.kind)
        self.test = self.kind.read_examples(task, "test")
        self.validation: list[Any] | None = None
        if task.validation is not None:
            self.validation = self.kind.read_examples(task, "validation")
        # For subsets without an example of a label: which labels there are is known.
        self.spec = checked_spec(task, self.kind, self.examples, self.validation or [])
        self.kind.check_examples(task, self.spec, self.test)

    def subset(self, size: int, seed: int) -> list[Any]:
        """Return that many training examples."""
        return subset(self.examples, ranked(self.examples, self.kind.stratum, seed), size)

    def point(self, arm: str, size: int, seed: int) -> Point:
        """Return a point of the curve, which is computed unless an earlier attempt has done so."""
        folder = self.work / "points" / f"{arm}-{size}-{seed}"
        file = folder.with_suffix(".json")
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(file, self._compute(arm, size, seed, folder).model_dump())
        shutil.rmtree(folder, ignore_errors=True)  # its checkpoints
        return Point.model_validate(read_json(file))

    def _compute(self, arm: str, size: int, seed: int, work: Path) -> Point:
        task = self.task.model_copy(
            update={"finetune": self.task.finetune.model_copy(update={"seed": seed})}
        )
        chosen = self.subset(size, seed)
        splits = (
            split_off(task, self.kind, chosen)
            if self.validation is None
            else (chosen, self.validation)
        )
        spec = spec_of_part(task, self.kind, splits, self.test, self.spec)
        fitted = fit_arm(arm, task, spec, self.backbone, splits, chosen, work)
        if answers_of(task.kind).fit_decision is not None:
            unseen = fitted
            if arm == BASELINE and self.validation is None:  # fitted on the validation examples too
                unseen = fit_arm(arm, task, spec, self.backbone, splits, splits[0], work)
            compared = Compared(task, spec, splits[1])
            spec = compared.fitted_spec(compared.scores(unseen.scorer))
        predictor = Predictor(task.kind, spec, [(fitted.scorer, 1.0)], task.redaction)
        scores = score(task, predict_examples(self.kind, predictor, self.test))
        return Point(
            arm=arm,
            labels=size,
            seed=seed,
            score=scores[leading(definitions(task.kind)).name],
            parameters=fitted.n_parameters,
        )
