"""The models of a server: loading, and replacement when there is a new champion."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from textmill.config import Config
from textmill.errors import InputError, RunError
from textmill.registry.current import ModelId, find_model
from textmill.serving.refusals import Refusal
from textmill.serving.text_models import Backbone, Chats
from textmill.steps.graph import FINETUNE, PRETRAIN
from textmill.steps.step import Step
from textmill.tasks.ensemble.predictor import Predictor, load_predictor
from textmill.tracking.artifacts import output_folder
from textmill.tracking.store import Store
from textmill.tracking.tags import BACKBONE

log = logging.getLogger(__name__)

Model = TypeVar("Model")
LOADING = "the model is being loaded: try again later."
GRACE_S = 10
"""Seconds within which a request that got a model has begun to use it."""


@dataclass(frozen=True)
class Loaded(Generic[Model]):
    """A model in memory, and where it comes from."""

    model: Model
    id: ModelId


@dataclass
class Slot(Generic[Model]):
    """The place of the model of a task, or of the backbone.

    Args:
        name: that of the task, or `backbone`.
        find: returns which model in the store is current.
        load: loads it.
        close: unloads a model that was replaced; called after requests that just got it began.
    """

    name: str
    find: Callable[[], ModelId]
    load: Callable[[ModelId], Model]
    close: Callable[[Model], None] | None = None
    loaded: Loaded[Model] | None = None
    problem: str | None = LOADING
    """Why the newest model could not be loaded, or None."""

    def get(self) -> Loaded[Model]:
        """Return the model; a request that began with it finishes with it.

        Raises:
            Refusal: no model is loaded.
        """
        if self.loaded is None:
            raise Refusal(503, f"{self.name}: {self.problem}")
        return self.loaded

    def refresh(self) -> bool:
        """Load the current model, unless it is loaded; return whether it was.

        If it cannot be loaded, the previous one stays, and `problem` says why.
        """
        try:
            found = self.find()
            is_known = self.loaded is not None and self.loaded.id == found
            if not is_known:
                previous, self.loaded = self.loaded, Loaded(self.load(found), found)
                if previous is not None and self.close is not None:
                    _later(self.close, previous.model)
        except Exception as error:  # whatever it is, the other models go on
            is_ours = isinstance(error, InputError | RunError)
            self._report(str(error) if is_ours else f"{type(error).__name__}: {error}")
            return False
        self.problem = None
        return not is_known

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            log.error("%s: %s", self.name, problem)
        self.problem = problem


@dataclass(frozen=True)
class Models:
    """The slots of a server."""

    tasks: Mapping[str, Slot[Predictor]]
    backbone: Slot[Backbone]
    kinds: Mapping[str, str]
    """Kind of each task."""
    chats: Chats = field(default_factory=Chats)

    def task(self, name: str) -> Slot[Predictor]:
        """Return the slot of a task.

        Raises:
            Refusal: there is no such task.
        """
        if name not in self.tasks:
            names = ", ".join(self.tasks) or "none"
            raise Refusal(404, f"There is no task {name!r}: the tasks are {names}.")
        return self.tasks[name]

    def close(self, timeout_s: float | None = None) -> None:
        """Finish the texts that have begun; each model ends those that it does not finish in time.

        Args:
            timeout_s: for each model; None: no limit.
        """
        if self.backbone.loaded is not None:
            self.backbone.loaded.model.engine.close(timeout_s)
        self.chats.close_all(timeout_s)

    @property
    def slots(self) -> list[Slot[Any]]:
        """All slots."""
        return [self.backbone, *self.tasks.values()]


def open_models(config: Config, store: Store) -> Models:
    """Return the empty slots of the backbone and the tasks that a configuration serves.

    Raises:
        InputError: `serve.tasks` names an unknown task.
    """
    kinds = {task.name: task.kind for task in config.tasks}
    names = list(kinds) if config.serve.tasks is None else list(config.serve.tasks)
    if unknown := [name for name in names if name not in kinds]:
        raise InputError(
            f"serve.tasks names {unknown[0]!r}, which is no task of the configuration: use "
            f"{', '.join(kinds) or 'none'}."
        )

    def slot(
        name: str,
        step: Step,
        task: str | None,
        open_: Callable[[Path], Model],
        close: Callable[[Model], None],
    ) -> Slot[Model]:
        return Slot(
            name,
            lambda: find_model(store, config.experiment, step, task),
            lambda found: open_(output_folder(store, found.run_id)),
            close,
        )

    chats = Chats()

    def open_backbone(folder: Path) -> Backbone:
        return Backbone(folder, config.generation.precision)

    tasks = {name: slot(name, FINETUNE, name, load_predictor, chats.close) for name in names}
    backbone = slot(BACKBONE, PRETRAIN, None, open_backbone, lambda model: model.engine.close())
    return Models(tasks, backbone, {name: kinds[name] for name in names}, chats)


def _later(close: Callable[[Model], None], model: Model) -> None:
    timer = threading.Timer(GRACE_S, close, (model,))
    timer.daemon = True
    timer.start()
