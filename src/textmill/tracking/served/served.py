"""A task model behind MLflow's pyfunc interface, logged as code (never pickled)."""

from __future__ import annotations

from pathlib import Path

import mlflow.models
import mlflow.telemetry
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from textmill.tasks.predictor import Predictor, load_predictor
from textmill.tracking.served.copies import check_copy


class TaskModel(PythonModel):
    """Answers a data frame with the column `text` by one row of predictions for each text."""

    predictor: Predictor

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights.

        Raises:
            RunError: a file of the model is missing or damaged.
        """
        check_copy(Path(context.artifacts["model"]))
        self.predictor = load_predictor(context.artifacts["model"])

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,
    ) -> pd.DataFrame:
        """Return the predictions for the texts, in their order.

        Raises:
            ValueError: a row holds no text.
        """
        texts = model_input["text"].tolist()
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(f"row {number}, column 'text': {text!r} is no text.")
        return pd.DataFrame(self.predictor(texts))


# MLflow has loaded this, and has begun before textmill could switch it off.
mlflow.telemetry.set_telemetry_client()  # type: ignore[no-untyped-call]
mlflow.models.set_model(TaskModel())
