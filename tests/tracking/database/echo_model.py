"""A model of MLflow's, from code: it answers with what it is asked."""

from __future__ import annotations

from typing import Any

import mlflow


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context: Any, model_input: list[str]) -> list[str]:
        return model_input


mlflow.models.set_model(Echo())
