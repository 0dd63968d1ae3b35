"""Models as MLflow LoggedModels, with signature, input example and safetensors weights."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pandas as pd
from mlflow.entities import LoggedModel, LoggedModelStatus, Run
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, Object, Property

import textmill
from textmill.config import LANGUAGE_MODEL, GenerationConfig, TaskConfig
from textmill.config.extensions import loaded
from textmill.steps.access import apply
from textmill.tasks.ensemble.model_folder import read_task
from textmill.tasks.filtered.task_filter import FILTERED
from textmill.tasks.kinds import answers_of
from textmill.tasks.shown import Column, page_of
from textmill.tracking.served import copies
from textmill.tracking.store import Store, path_of
from textmill.tracking.tags import BACKBONE, KIND_TAG

# MLflow would rewrite MLmodel, adding the names of the environment variables that were read.
os.environ.setdefault("MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING", "false")

READY = LoggedModelStatus.READY
# Referred to by path, as importing them would import torch.
SERVED = str(Path(__file__).with_name("served.py"))
SERVED_BACKBONE = str(Path(__file__).with_name("served_backbone.py"))
REQUIREMENTS = (
    *("torch", "numpy", "pandas", "pydantic", "safetensors", "tokenizers"),
    *("phonenumbers", "python-stdnum"),  # to redact requests
    *("scikit-learn", "scipy"),  # classical baselines
)
PACKAGE = Path(textmill.__file__).parent

WriteFilters = Callable[[Path], None]
"""Writes content filters into an empty folder."""


def log_task_model(
    store: Store,
    run_id: str,
    task: TaskConfig,
    folder: Path,
    write_filters: WriteFilters | None = None,
) -> None:
    """Log the model folder of a fine-tuning run as its LoggedModel, unless it is logged already.

    The model includes textmill's code, so that it can be loaded without textmill installed.

    Args:
        store: that contains the run.
        run_id: of the step.
        task: the task.
        folder: the model.
        write_filters: writes the content filters of models that write texts; None: they have none.
    """
    if find_logged_model(store, run_id) is not None:
        return
    answers = answers_of(task.kind)
    example = {
        column: page_of(task.kind).EXAMPLE[column]
        for column in answers.columns(read_task(folder).spec)
    }
    outputs = answer_schema(task.kind, is_filtered=answers.WRITES is not None)
    signature = ModelSignature(inputs=_input_schema(example), outputs=outputs)
    tags = {"textmill.task": task.name, KIND_TAG: "task_model"}
    written = write_filters if answers.WRITES is not None else None
    with code_folder(task.kind) as code, _artifacts(folder, written) as artifacts:
        model = (task.name, tags, artifacts, SERVED, signature, example, code)
        store.call_with_retries(partial(_log, store, run_id, *model))


def log_backbone(
    store: Store, run_id: str, folder: Path, write_filters: WriteFilters | None = None
) -> None:
    """Log the output folder of a pretraining run as its LoggedModel, unless it is logged already.

    It predicts completions; length and sampling are parameters of the prediction.

    Args:
        store: that contains the run.
        run_id: of the step.
        folder: the backbone.
        write_filters: writes the content filters; None: it has none.
    """
    if find_logged_model(store, run_id) is not None:
        return
    config = GenerationConfig()
    params = [
        ParamSpec("max_new_tokens", DataType.long, config.max_new_tokens),
        ParamSpec("temperature", DataType.double, config.temperature),
        ParamSpec("top_k", DataType.long, config.top_k),
        ParamSpec("top_p", DataType.double, config.top_p),
        ParamSpec("min_p", DataType.double, config.min_p),
        ParamSpec("repetition_penalty", DataType.double, config.repetition_penalty),
        ParamSpec("stop", DataType.string, list(config.stop), shape=(-1,)),
        ParamSpec("when_full", DataType.string, config.when_full),
        ParamSpec("seed", DataType.long, config.seed),
    ]
    example = page_of(LANGUAGE_MODEL).EXAMPLE
    signature = ModelSignature(
        inputs=_input_schema(example),
        outputs=answer_schema(LANGUAGE_MODEL, is_filtered=True),
        params=ParamSchema(params),
    )
    tags = {KIND_TAG: BACKBONE}
    with _artifacts(folder, write_filters) as artifacts:
        model = (BACKBONE, tags, artifacts, SERVED_BACKBONE, signature, example, PACKAGE)
        store.call_with_retries(partial(_log, store, run_id, *model))


def _input_schema(example: Mapping[str, str]) -> Schema:
    return Schema([ColSpec("string", name) for name in example])


def answer_schema(kind: str, *, is_filtered: bool) -> Schema:
    """Return the schema of the predictions of a kind of task, or of the language model.

    Args:
        kind: its name.
        is_filtered: whether there is a column with the decisions of filters.
    """

    def column(name: str, of: Column) -> ColSpec:
        if isinstance(of, str):
            return ColSpec(of, name)
        [fields] = of
        return ColSpec(Array(Object([Property(*field) for field in fields.items()])), name)

    columns = [column(*item) for item in page_of(kind).ANSWER.items()]
    if is_filtered:
        fields = [Property(name, "string") for name in ("category", "action", "side")]
        fields += [Property(name, "long") for name in ("start", "end")]
        fields.append(Property("language", "string", required=False))
        columns.append(ColSpec(Array(Object(fields)), FILTERED))
    return Schema([*columns])


@contextmanager
def _artifacts(folder: Path, write_filters: WriteFilters | None) -> Iterator[dict[str, Path]]:
    """Yield the folders that a model consists of."""
    artifacts = {"model": folder}
    if write_filters is None:
        yield artifacts
        return
    with tempfile.TemporaryDirectory() as place:
        filters = Path(place, copies.FILTERS)
        filters.mkdir()
        write_filters(filters)
        yield artifacts | {copies.FILTERS: filters}


@contextmanager
def code_folder(kind: str) -> Iterator[Path]:
    """Yield a folder of textmill's code, including the kind of task if it is an extension."""
    places = [extension.place for extension in loaded() if extension.kind == kind]
    if not places:
        yield PACKAGE
        return
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder, PACKAGE.name)
        without_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PACKAGE, code, ignore=without_caches)
        shutil.copytree(places[0], code / "extensions" / kind, ignore=without_caches)
        yield code


def find_logged_model(store: Store, run_id: str) -> LoggedModel | None:
    """Return the completely logged model of a run, or None."""
    models = _logged_models(store, store.client.get_run(run_id))
    return next((model for model in models if model.status == READY), None)


def _logged_models(store: Store, run: Run) -> list[LoggedModel]:
    """Return the logged models of a run, complete or not."""
    condition = f"source_run_id='{run.info.run_id}'"
    return list(store.client.search_logged_models([run.info.experiment_id], condition))


def _log(
    store: Store,
    run_id: str,
    name: str,
    tags: dict[str, str],
    artifacts: Mapping[str, Path],
    served: str,
    signature: ModelSignature,
    example: Mapping[str, str],
    code: Path,
) -> None:
    """Log a model of a run, unless it is complete; an incomplete one is completed."""
    store.use()
    run = store.client.get_run(run_id)
    outputs = run.outputs.model_outputs if run.outputs is not None else []
    models = _logged_models(store, run)
    if any(model.status == READY for model in models):
        return  # logged before the run was interrupted
    # `Model.log` would create it in the default experiment, with another artifact location.
    model = (
        models[0]
        if models
        else store.client.create_logged_model(
            run.info.experiment_id,
            name,
            source_run_id=run_id,
            tags=tags,
            params=run.data.params,
        )
    )
    is_linked = any(output.model_id == model.model_id for output in outputs)
    Model.log(
        artifact_path=None,
        model_id=model.model_id,
        flavor=copies,
        metadata=copies.METADATA,
        run_id=None if is_linked else run_id,  # a second link to the same model is an error
        python_model=served,
        artifacts={name: folder.as_uri() for name, folder in artifacts.items()},
        code_paths=[str(code)],
        signature=signature,
        input_example=pd.DataFrame([example]),
        pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS],
    )
    if (place := path_of(model.artifact_location)) is not None:
        copies.share_backbone(artifacts["model"], place)
        apply(store.permissions, place)  # the code still has those of the installed package
