"""A task model as an MLflow pyfunc model, logged as code (never pickled)."""

from __future__ import annotations

from pathlib import Path

import mlflow.models
import mlflow.telemetry
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from textmill.safety.filtering.content_filter import ContentFilter
from textmill.tasks.ensemble.predictor import Predictor, load_predictor
from textmill.tasks.filtered.filter_folder import read_filters
from textmill.tasks.filtered.task_filter import TaskFilter, task_filter
from textmill.tasks.inputs import Input, checked
from textmill.tracking.served.copies import FILTERS, check_copy


class TaskModel(PythonModel):
    """Predicts one row for each row of a data frame, whose columns are those of the model."""

    predictor: Predictor
    filters: TaskFilter | None

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights, and the filters, which early models lack.

        Raises:
            RunError: a file of the model is missing or damaged.
        """
        check_copy(Path(context.artifacts["model"]))
        self.predictor = load_predictor(context.artifacts["model"])
        folder = context.artifacts.get(FILTERS)
        content = ContentFilter(()) if folder is None else read_filters(Path(folder))
        self.filters = task_filter(self.predictor.kind_name, self.predictor.redaction, content)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,
    ) -> pd.DataFrame:
        """Return the predictions for the rows, in their order.

        Models that write texts have a column `filtered` besides; what is blocked is null.

        Raises:
            ValueError: a value is not a string.
        """
        columns = self.predictor.columns
        rows = model_input[list(columns)].to_dict("records")
        inputs: list[Input] = []
        for number, row in enumerate(rows):
            try:
                inputs.append(checked(row if len(columns) > 1 else row[columns[0]], columns))
            except ValueError as error:
                raise ValueError(f"row {number}: {error}.") from None
        if self.filters is None:
            return pd.DataFrame(self.predictor(inputs))
        _, predictions = self.filters.predict(self.predictor, inputs)
        names = dict.fromkeys(name for prediction in predictions for name in prediction)
        rows = [{name: one.get(name) for name in names} for one in predictions]
        return pd.DataFrame(rows, dtype=object)  # or else null would be NaN


# MLflow started its telemetry before it loaded this file, which imports textmill's opt-out.
mlflow.telemetry.set_telemetry_client()  # type: ignore[no-untyped-call]
mlflow.models.set_model(TaskModel())
