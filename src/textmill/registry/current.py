"""The model of a task that commands and servers use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textmill.config import Config
from textmill.errors import InputError
from textmill.registry.versions import MODEL_RUN_TAG, Registry
from textmill.steps.step import Step
from textmill.tracking.artifacts import output_folder
from textmill.tracking.store import Store
from textmill.tracking.tags import BACKBONE, TRIAL_TAG


@dataclass(frozen=True)
class ModelId:
    """A model in use."""

    run_id: str
    """MLflow run of the step that trained it, for `textmill lineage`."""
    version: str | None
    """Registered version; None: the model is the newest finished one, and not the champion."""


@dataclass(frozen=True)
class CurrentModel(ModelId):
    """A model in use, with its verified files."""

    folder: Path


def current_model(config: Config, step: Step, task: str | None = None) -> CurrentModel:
    """Return the champion, or else the model of the newest finished run in the experiment.

    Raises:
        InputError: there is no model.
        RunError: the model is missing or damaged.
    """
    store = Store(config.tracking)
    found = find_model(store, config.experiment, step, task)
    return CurrentModel(found.run_id, found.version, output_folder(store, found.run_id))


def find_model(store: Store, experiment: str, step: Step, task: str | None = None) -> ModelId:
    """Return which model `current_model` returns, without reading its files.

    Raises:
        InputError: there is no model.
    """
    champion = Registry(store, experiment).champion(task or BACKBONE)
    if champion is not None and MODEL_RUN_TAG in champion.tags:
        return ModelId(champion.tags[MODEL_RUN_TAG], str(champion.version))
    # Trials of a sweep are models of nobody's choice, until a run uses one.
    condition = (
        f"attributes.status='FINISHED' and tags.`textmill.step`='{step.name}' "
        f"and tags.`{TRIAL_TAG}` IS NULL"
    )
    if task is not None:
        condition += f" and tags.`textmill.task`='{task}'"
    found = store.find_experiment(experiment)
    for run in store.search(condition, 1, found) if found is not None else ():
        return ModelId(run.info.run_id, None)
    command = f"textmill finetune {task}" if task else "textmill pretrain"
    raise InputError(f"The experiment {experiment!r} has no such model yet: run {command}.")
