"""The step that evaluates baselines of a task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from textmill.config import TaskConfig
from textmill.evaluation.notes import Note, write_notes
from textmill.files import write_json
from textmill.tasks.checks.data_checks import check_data, write_suspects
from textmill.tasks.checks.leaks import Overlap
from textmill.tasks.kinds import baselines_of, examples_of, metrics_of
from textmill.tasks.predictions import score, signature_tags, write_predictions


def baseline(config: TaskConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the predictions of every baseline to its own folder, metrics.json and notes.json.

    The notes describe problems of the examples, and limits of a baseline to save memory. Training
    examples with likely wrong labels are listed in suspects.json.

    The metrics of the classical baseline are repeated without a prefix, and those of the trivial
    baseline under `trivial/`.

    Args:
        config: the task.
        inputs: unused.
        out: an empty folder.

    Raises:
        InputError: the examples are invalid, such as a test label that training lacks.
    """
    kind, models = examples_of(config.kind), baselines_of(config.kind)
    checked = check_data(config)
    notes, test = [*checked.notes], checked.test
    write_suspects(checked.train, checked.suspects, out)
    metrics: dict[str, float] = shared_metrics(checked.shared)
    metrics["likely_wrong_labels"] = len(checked.suspects)
    for name, predictions, note in models.baselines(checked.spec, checked.train, test):
        rows = [
            kind.reference(e) | prediction for e, prediction in zip(test, predictions, strict=True)
        ]
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


def shared_metrics(shared: Overlap) -> dict[str, float]:
    """Return the numbers of leaked and conflicting examples, by metric."""
    return {
        "leaked_examples": len(shared.leaked),
        "conflicting_examples": sum(map(len, shared.conflicting)),
    }
