"""A model of MLflow's, from code: it answers with what it is asked."""

from __future__ import annotations

from typing import Any

import mlflow


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return model_input


mlflow.models.set_model(Echo())
