"""The step that evaluates baselines of a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.config import TaskConfig
from textmill.evaluation.notes import LEAK, Note, write_notes
from textmill.files import write_json
from textmill.tasks.kinds import baselines_of, examples_of, metrics_of
from textmill.tasks.labels import normalization_note
from textmill.tasks.leaks import Overlap, find_overlap, kept_examples, lines_of
from textmill.tasks.predictions import score, signature_tags, write_predictions
from textmill.tasks.rows import Rows


def baseline(config: TaskConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the predictions of every baseline to its own folder, metrics.json and notes.json.

    The notes describe problems of the examples, and limits of a baseline to save memory.

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
    train, test = kind.read_examples(config, "train"), kind.read_examples(config, "test")
    shared = find_overlap(kind, train, test)
    notes = list(find_notes(config, train, test, shared))
    train = kept_examples(config, train, shared)
    spec = kind.make_spec(config, train)
    kind.check_examples(config, spec, test)
    metrics: dict[str, float] = dict(shared_metrics(shared))
    for name, predictions, note in models.baselines(spec, train, test):
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


def find_notes(
    config: TaskConfig, train: Rows[Any], test: Rows[Any], shared: Overlap
) -> Iterator[Note]:
    """Yield notes about leaked, conflicting and normalized examples."""
    if shared.leaked:
        what = f"{len(shared.leaked):,} of {len(test):,} test texts are training texts too"
        if shared.n_same_answer < len(shared.leaked):
            what += f", {shared.n_same_answer:,} of them with the same answer"
        is_dropped = config.on_leak == "drop"
        if is_dropped:
            what += f"; {len(shared.copied):,} training examples are dropped"
        yield Note(LEAK, what, lines_of("test", test, shared.leaked), not is_dropped)
    n_conflicting = sum(map(len, shared.conflicting))
    if n_conflicting:
        where = (
            lines_of("training", train, shared.conflicting[0]),
            lines_of("test", test, shared.conflicting[1]),
        )
        yield Note(
            "conflict",
            f"{n_conflicting:,} of {len(train) + len(test):,} examples have a text that also "
            "occurs with another label",
            "; ".join(filter(None, where)),
        )
    if note := normalization_note({**train.normalized, **test.normalized}):
        yield Note("spelling", note, is_doubt=False)


def shared_metrics(shared: Overlap) -> dict[str, float]:
    """Return the numbers of leaked and conflicting examples, by metric."""
    return {
        "leaked_examples": len(shared.leaked),
        "conflicting_examples": sum(map(len, shared.conflicting)),
    }
