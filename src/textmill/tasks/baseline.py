"""The step that measures simple models on a task, for comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.config import TaskConfig
from textmill.evaluation.notes import LEAK, Note, write_notes
from textmill.files import write_json
from textmill.tasks.kinds import baselines_of, examples_of, metrics_of
from textmill.tasks.labels import respelling_note
from textmill.tasks.leaks import Shared, find_shared, kept_examples, lines_of
from textmill.tasks.predictions import score, signature_tags, write_predictions
from textmill.tasks.rows import Rows


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


def find_notes(
    config: TaskConfig, train: Rows[Any], test: Rows[Any], shared: Shared
) -> Iterator[Note]:
    """Yield what is to be said of the examples, before anything is trained on them."""
    if shared.leaked:
        what = f"{len(shared.leaked):,} of {len(test):,} test texts are training texts too"
        if shared.n_whole < len(shared.leaked):
            what += f", {shared.n_whole:,} of them with the same answer"
        is_dropped = config.on_leak == "drop"
        if is_dropped:
            what += f"; {len(shared.copied):,} training examples are dropped for it"
        yield Note(LEAK, what, lines_of("test", test, shared.leaked), not is_dropped)
    n_conflicting = sum(map(len, shared.conflicting))
    if n_conflicting:
        where = (
            lines_of("training", train, shared.conflicting[0]),
            lines_of("test", test, shared.conflicting[1]),
        )
        yield Note(
            "conflict",
            f"{n_conflicting:,} of {len(train) + len(test):,} examples have a text that stands "
            "under another label too",
            "; ".join(filter(None, where)),
        )
    if note := respelling_note({**train.respelled, **test.respelled}):
        yield Note("spelling", note, is_doubt=False)


def shared_metrics(shared: Shared) -> dict[str, float]:
    """Return the counts of what is shared, by name."""
    return {
        "leaked_examples": len(shared.leaked),
        "conflicting_examples": sum(map(len, shared.conflicting)),
    }
