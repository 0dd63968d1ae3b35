"""The registered versions of the models of tasks, loaded when a request asks for one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion
from pydantic import BaseModel

from textmill.errors import InputError, RunError
from textmill.evaluation.metrics import leading
from textmill.registry.current import ModelId
from textmill.registry.versions import (
    DECISION_TAG,
    MODEL_RUN_TAG,
    REASON_TAG,
    SCORE_TAG,
    Registry,
)
from textmill.serving.refusals import Refusal
from textmill.serving.served_models import Loaded
from textmill.tasks.ensemble.predictor import Predictor, load_predictor
from textmill.tasks.kinds import definitions
from textmill.tracking.artifacts import output_folder
from textmill.tracking.store import Store

MAX_LOADED = 2
"""Maximum versions in memory besides the current models: as many as are compared."""


class VersionInfo(BaseModel):
    """A registered version of the model of a task."""

    version: str
    run: str
    """MLflow run that trained it, for `textmill lineage`."""
    aliases: list[str]
    """Such as `champion`."""
    created: datetime
    metric: str
    """The metric that models of the kind are promoted by."""
    score: float | None
    """Its value on the test set at registration; null if it was not recorded."""
    decision: str | None
    """What the promotion gate decided, and why."""


class RegisteredModels:
    """Finds versions, and keeps those in memory that were used last.

    They never replace the current models.

    Args:
        store: the store.
        experiment: name of the experiment.
        kinds: kind of each task.
    """

    def __init__(self, store: Store, experiment: str, kinds: Mapping[str, str]) -> None:
        self.store, self.kinds = store, kinds
        self.registry = Registry(store, experiment)
        self._loaded: OrderedDict[ModelId, Loaded[Predictor]] = OrderedDict()
        self._lock = threading.Lock()

    def versions(self, task: str) -> list[VersionInfo]:
        """Return the versions of the model of a task, the newest first.

        Raises:
            Refusal: the store cannot be read.
        """
        metric = leading(definitions(self.kinds[task])).name
        try:
            aliases = self.registry.aliases(task)
            found = self._found(task)
        except RunError as error:
            raise Refusal(503, str(error)) from None
        return [_info(one, aliases, metric) for one in reversed(found)]

    def load(self, task: str, number: str) -> Loaded[Predictor]:
        """Return a version of the model of a task.

        Raises:
            Refusal: there is no such version, or it cannot be loaded.
        """
        found = self._find(task, number)
        with self._lock:  # requests for the same version load it once
            loaded = self._loaded.pop(found, None)
            if loaded is None:
                while len(self._loaded) >= MAX_LOADED:
                    self._loaded.popitem(last=False)
                loaded = Loaded(self._open(task, found), found)
            self._loaded[found] = loaded
        return loaded

    def _open(self, task: str, found: ModelId) -> Predictor:
        try:
            return load_predictor(output_folder(self.store, found.run_id))
        except (InputError, RunError) as error:
            raise Refusal(503, f"{task}, version {found.version}: {error}") from None

    def _find(self, task: str, number: str) -> ModelId:
        try:
            found = {str(one.version): one for one in self._found(task)}
        except RunError as error:
            raise Refusal(503, str(error)) from None
        if number not in found:
            known = ", ".join(reversed(found)) or "none"
            raise Refusal(
                404, f"{task} has no version {number}: its versions are {known}.", "version"
            )
        return ModelId(found[number].tags[MODEL_RUN_TAG], number)

    def _found(self, task: str) -> list[ModelVersion]:
        """Return the versions that textmill has registered."""
        return [one for one in self.registry.versions(task) if MODEL_RUN_TAG in one.tags]


def _info(version: ModelVersion, aliases: Mapping[str, str], metric: str) -> VersionInfo:
    number, tags = str(version.version), version.tags
    score = tags.get(f"{SCORE_TAG}{metric}")
    reason = tags.get(REASON_TAG) or tags.get(DECISION_TAG)
    return VersionInfo(
        version=number,
        run=tags[MODEL_RUN_TAG],
        aliases=sorted(alias for alias, current in aliases.items() if current == number),
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        metric=metric,
        score=None if score is None else float(score),
        decision=reason,
    )
