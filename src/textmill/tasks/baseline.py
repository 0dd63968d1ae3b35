"""The step that measures simple models on a task, for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from textmill.config import TaskConfig
from textmill.files import write_json
from textmill.tasks.evaluate import signature_tags, write_predictions
from textmill.tasks.kinds import KINDS


def baseline(config: TaskConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write predictions and metrics of every baseline, in a folder each.

    The metrics of the classical baseline stand under their own names too, without a prefix, and
    those of the one that learns next to nothing under `trivial/`. notes.json says, by name, what a
    model leaves out to save memory.

    Args:
        config: the task.
        inputs: nothing.
        out: an empty folder.

    Raises:
        InputError: the examples cannot be used, such as a test label that training lacks.
    """
    kind = KINDS[config.kind]
    train, test = kind.read_examples(config, "train"), kind.read_examples(config, "test")
    kind.check_examples(config, kind.make_spec(config, train), test)
    metrics: dict[str, float] = {}
    notes: dict[str, str] = {}
    for name, answers, note in kind.baselines(train, test):
        rows = [kind.reference(e) | answer for e, answer in zip(test, answers, strict=True)]
        folder = out / name
        folder.mkdir()
        write_predictions(rows, folder)
        if note:
            notes[name] = note
        scores = kind.score(config, rows)
        metrics |= {f"{name}/{key}": value for key, value in scores.items()}
        if name == kind.CLASSICAL_BASELINE:
            metrics |= scores
        if name == kind.TRIVIAL_BASELINE:
            metrics |= {f"trivial/{key}": value for key, value in scores.items()}
    write_json(out / "metrics.json", metrics)
    write_json(out / "notes.json", notes)
    write_json(out / "tags.json", signature_tags(kind.signatures(config)))
