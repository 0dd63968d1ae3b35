"""The step that measures simple models on a task, for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from textmill.config import TaskConfig
from textmill.evaluation.notes import Note, write_notes
from textmill.files import write_json
from textmill.tasks.kinds import baselines_of, examples_of, metrics_of
from textmill.tasks.leaks import (
    find_notes,
    find_shared,
    kept_examples,
    shared_metrics,
)
from textmill.tasks.predictions import score, signature_tags, write_predictions


def baseline(config: TaskConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write predictions and metrics of every baseline, in a folder each, and notes.json.

    The notes say what a person should know of the examples, whose counts are metrics, and what a
    baseline leaves out to save memory.

    The metrics of the classical baseline stand under their own names too, without a prefix, and
    those of the one that learns next to nothing under `trivial/`.

    Args:
        config: the task.
        inputs: nothing.
        out: an empty folder.

    Raises:
        InputError: the examples cannot be used, such as a test label that training lacks.
    """
    kind, models = examples_of(config.kind), baselines_of(config.kind)
    train, test = kind.read_examples(config, "train"), kind.read_examples(config, "test")
    shared = find_shared(kind, train, test)
    notes = list(find_notes(config, train, test, shared))
    train = kept_examples(config, train, shared)
    kind.check_examples(config, kind.make_spec(config, train), test)
    metrics: dict[str, float] = dict(shared_metrics(shared))
    for name, answers, note in models.baselines(train, test):
        rows = [kind.reference(e) | answer for e, answer in zip(test, answers, strict=True)]
        if note:
            notes.append(Note(name, f"{name.replace('_', ' ')}: {note}", is_doubt=False))
        folder = out / name
        folder.mkdir()
        write_predictions(rows, folder)
        scores = score(config, rows)
        metrics |= {f"{name}/{key}": value for key, value in scores.items()}
        if name == models.CLASSICAL_BASELINE:
            metrics |= scores
        if name == models.TRIVIAL_BASELINE:
            metrics |= {f"trivial/{key}": value for key, value in scores.items()}
    write_notes(notes, out)
    write_json(out / "metrics.json", metrics)
    write_json(out / "tags.json", signature_tags(metrics_of(config.kind).signatures(config)))
