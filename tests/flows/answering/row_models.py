"""Models for rows whose answers depend on the rows that are predicted together."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from textmill.config import TaskConfig
from textmill.errors import InputError
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.filtered.task_filter import TaskFilter
from textmill_flows.answering.input_columns import InputColumns
from textmill_flows.answering.input_rows import InputRows, Source, file_sources
from textmill_flows.answering.row_prediction import BadRows, RowPredictor, answer_in_file

TASK = ClassificationConfig(kind="classification", name="mood", train="a.csv", test="b.csv")


class Together:
    """Scores a text by itself and by the texts beside it, as floating-point numbers of a batch.

    It rejects texts that say so.
    """

    def __init__(self, names: Sequence[str] = ("text",), wait_s: float = 0.0) -> None:
        self.columns = tuple(names)
        self.wait_s = wait_s
        self.n_seen = 0

    def __call__(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        for given in inputs:
            self.check(given)
        time.sleep(self.wait_s)
        self.n_seen += len(inputs)
        beside = zlib.crc32(repr(inputs).encode()) % 1000
        return [
            {"label": "good" if len(str(given)) % 2 else "bad", "score": beside / 1000}
            for given in inputs
        ]

    def check(self, given: Any) -> None:
        if "REJECT" in str(given):
            raise InputError("The model does not like it.")


def row_model(
    predictor: Any = None,
    task: TaskConfig = TASK,
    renamed: Mapping[str, str] | None = None,
    version: str | None = "3",
    filters: TaskFilter | None = None,
    filters_digest: str | None = None,
) -> RowPredictor:
    """Return a model of a registered version."""
    predictor = cast(Predictor, predictor or Together())
    columns = InputColumns(task, predictor.columns, renamed or {})
    return RowPredictor(predictor, columns, "f9bd04c0", version, filters, filters_digest)


def answer_file(
    file: Path,
    out: Path,
    predictor: Together | None = None,
    *,
    version: str | None = "3",
    are_skipped: bool = False,
    notify: Callable[[str], None] = lambda message: None,
    source: Source | None = None,
) -> None:
    """Predict the rows of a file to another."""
    model = row_model(predictor, version=version)
    rows = InputRows([source] if source else file_sources([str(file)], None), model.columns)
    answer_in_file(model, rows, BadRows(are_skipped), out, notify, lambda n_rows: None)
