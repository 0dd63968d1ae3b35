"""A task model behind MLflow's pyfunc interface, logged as code (never pickled)."""

from __future__ import annotations

import mlflow.models
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from textmill.tasks.predictor import Predictor, load_predictor


class TaskModel(PythonModel):
    """Answers a data frame with the column `text` by one row of predictions for each text."""

    predictor: Predictor

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights."""
        self.predictor = load_predictor(context.artifacts["model"])

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,
    ) -> pd.DataFrame:
        """Return the predictions for the texts, in their order."""
        return pd.DataFrame(self.predictor(model_input["text"].tolist()))


mlflow.models.set_model(TaskModel())
