"""Task models as MLflow LoggedModels: a signature, an example, weights as safetensors."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.entities import LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import Array, Object, Property

import textmill
from textmill.config import TaskConfig
from textmill.tracking.store import Store

READY = LoggedModelStatus.READY
SERVED = str(Path(__file__).with_name("served.py"))  # not imported: it would load torch
REQUIREMENTS = ("torch", "numpy", "pandas", "pydantic", "safetensors", "tokenizers")
EXAMPLE = "The waiter was friendly, and the soup was warm."
IS_CUT = ColSpec("boolean", "is_cut")
ENTITY = Object(
    [
        Property("text", "string"),
        Property("type", "string"),
        Property("start", "long"),
        Property("end", "long"),
    ]
)
OUTPUTS = {
    "classification": (ColSpec("string", "label"), ColSpec("double", "score"), IS_CUT),
    "tagging": (ColSpec(Array(ENTITY), "entities"), IS_CUT),
    "translation": (ColSpec("string", "translation"), IS_CUT),
}
"""The columns of the answers, by kind of task."""


def log_task_model(store: Store, run_id: str, task: TaskConfig, folder: Path) -> None:
    """Log the model folder of a fine-tuning run as its LoggedModel, once.

    The model carries textmill's own code, so that it loads where textmill is not installed.
    """
    store.patiently(lambda: _log(store, run_id, task, folder))


def _log(store: Store, run_id: str, task: TaskConfig, folder: Path) -> None:
    run = store.client.get_run(run_id)
    outputs = run.outputs.model_outputs if run.outputs is not None else []
    experiment_id = run.info.experiment_id
    begun = store.client.search_logged_models([experiment_id], f"source_run_id='{run_id}'")
    if any(model.status == READY for model in begun):
        return  # logged before the run was interrupted
    # Left to itself, MLflow puts it into the default experiment, whose files lie elsewhere.
    model = (
        begun[0]
        if begun
        else store.client.create_logged_model(
            experiment_id,
            task.name,
            source_run_id=run_id,
            tags={"textmill.task": task.name, "textmill.kind": "task_model"},
            params=run.data.params,
        )
    )
    is_linked = any(output.model_id == model.model_id for output in outputs)
    Model.log(
        artifact_path=None,
        model_id=model.model_id,
        flavor=mlflow.pyfunc,
        run_id=None if is_linked else run_id,  # a second link to the same model is an error
        python_model=SERVED,
        artifacts={"model": folder.as_uri()},
        code_paths=[str(Path(textmill.__file__).parent)],
        signature=ModelSignature(
            inputs=Schema([ColSpec("string", "text")]),
            outputs=Schema(list(OUTPUTS[task.kind])),
        ),
        input_example=pd.DataFrame({"text": [EXAMPLE]}),
        pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS],
    )
