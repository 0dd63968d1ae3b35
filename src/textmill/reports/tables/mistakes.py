"""The wrong predictions of an evaluation as a table in MLflow, which compares those of runs."""

from __future__ import annotations

from collections.abc import Sequence

from textmill.tasks.shown import Shown
from textmill.tracking.results import Result
from textmill.tracking.store import Store

TABLE = "mistakes.json"
MAX_ROWS = 1000
"""Maximum wrong predictions of a table; the most confident ones are kept."""


def log_mistakes(store: Store, evaluation: Result, examples: Sequence[Shown]) -> None:
    """Log the wrong predictions to the run of an evaluation, the most confident first, once.

    They are not in its output, so that another presentation recomputes nothing.

    Args:
        store: of the run.
        evaluation: the result of the step evaluate.
        examples: its predictions.

    Raises:
        StoreError: the store failed.
    """
    import pandas as pd  # slow

    with store.as_store_errors():
        # The client adds to a table that is there.
        if any(file.path == TABLE for file in store.client.list_artifacts(evaluation.run_id)):
            return
        wrong = [one for one in examples if not one.is_right]
        wrong = sorted(wrong, key=lambda one: -one.certainty)[:MAX_ROWS]
        if wrong:
            # MLflow looks for pictures in the columns of objects, and pandas warns of others.
            table = pd.DataFrame(_columns(wrong), dtype=object)
            store.client.log_table(evaluation.run_id, table, TABLE)


def _columns(examples: Sequence[Shown]) -> dict[str, list[str | float]]:
    """Return the columns of a table: the text, what is shown below it, and the mistakes."""
    facts = dict.fromkeys(name for example in examples for name, _ in example.facts)
    return {
        "text": ["".join(part.text for part in example.segments) for example in examples],
        **{name: [dict(example.facts).get(name, "") for example in examples] for name in facts},
        "mistakes": [", ".join(sorted(example.mistakes)) for example in examples],
        "confidence": [example.certainty for example in examples],
    }
