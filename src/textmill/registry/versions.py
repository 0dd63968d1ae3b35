"""The model registry: named models with versions, one of which is the champion.

A registered model is named `<experiment>.<task>`, or `<experiment>.backbone`. The alias `champion`
is the version in use; the tag `textmill.champions` of the registered model has the earlier
champions, in order, for rollbacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from textmill.errors import InputError, listed
from textmill.tracking.store import Store
from textmill.tracking.tags import KIND_TAG

CHAMPION = "champion"
KIND = "registered_model"
EXPERIMENT_TAG = "textmill.experiment"
CHAMPIONS_TAG = "textmill.champions"
DECISION_TAG = "textmill.decision"
REASON_TAG = "textmill.reason"
MODEL_RUN_TAG = "textmill.run.model"
KEY_TAG = "textmill.key"
SCORE_TAG = "score."
"""Prefix of the tags with the scores of a version on its test set, by metric."""
DESCRIPTION_TAG = "mlflow.note.content"
MAX_CHAMPIONS = 50
_NOT_IN_NAMES = re.compile(r"[^\w. -]")
"""MLflow rejects / and : in names, and quotes would break search filters."""


class Registry:
    """The registered models of one experiment.

    Args:
        store: the store.
        experiment: name of the experiment, the prefix of its models' names.
    """

    def __init__(self, store: Store, experiment: str) -> None:
        self.store = store
        self.experiment = experiment

    def name_of(self, model: str) -> str:
        """Return the registered name of a task model, or of the backbone."""
        return _NOT_IN_NAMES.sub("-", f"{self.experiment}.{model}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that keeps other processes of this machine from promoting."""
        with self.store.as_store_errors(), self.store.lock("registry.lock"):
            yield

    def champion(self, model: str) -> ModelVersion | None:
        """Return the champion, or None if there is none managed by textmill."""
        found = self._find(model)
        if found is None or not self._is_managed(found) or CHAMPION not in found.aliases:
            return None
        return self.version(model, str(found.aliases[CHAMPION]))

    def version(self, model: str, number: str) -> ModelVersion:
        """Return a version by its number.

        Raises:
            InputError: there is no such version.
        """
        versions = self.versions(model)
        for version in versions:
            if str(version.version) == number:
                return version
        known = listed(version.version for version in reversed(versions)) or "none"
        raise InputError(f"{self.name_of(model)} has no version {number}: use one of {known}.")

    def versions(self, model: str) -> list[ModelVersion]:
        """Return the versions of a model, the oldest first."""
        found = self.store.client.search_model_versions(f"name='{self.name_of(model)}'")
        return sorted(found, key=lambda version: int(version.version))

    def aliases(self, model: str) -> dict[str, str]:
        """Return the numbers of the versions that have an alias, by alias."""
        found = self._find(model)
        return {} if found is None else {name: str(n) for name, n in found.aliases.items()}

    def register(
        self, model: str, logged: LoggedModel, run_id: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        """Return a new version, described by the model's card.

        Raises:
            InputError: a registered model of that name is not managed by textmill.
        """
        name, client = self.name_of(model), self.store.client
        if self._required(model, must_exist=False) is None:
            ours = {KIND_TAG: KIND, EXPERIMENT_TAG: self.experiment, "textmill.model": model}
            client.create_registered_model(name, ours)
        self.store.use()
        version: ModelVersion = client.create_model_version(
            name,
            logged.model_uri,
            run_id,
            tags=dict(tags),
            description=logged.tags.get(DESCRIPTION_TAG),
            model_id=logged.model_id,
        )
        return version

    def set_tags(self, model: str, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Set tags of a version, in order."""
        for key, value in tags.items():
            self.store.client.set_model_version_tag(
                self.name_of(model), str(version.version), key, value
            )

    def delete_tags(self, model: str, version: ModelVersion, keys: Iterable[str]) -> None:
        """Delete existing tags of a version."""
        for key in keys:
            if key in version.tags:
                self.store.client.delete_model_version_tag(
                    self.name_of(model), str(version.version), key
                )

    def record_decision(
        self, model: str, version: ModelVersion, decision: str, reason: str, is_champion: bool
    ) -> None:
        """Record the decision on a version; a champion gets the alias before its tags."""
        if is_champion:
            self._set_champion(model, str(version.version))
        self.set_tags(model, version, {REASON_TAG: reason, DECISION_TAG: decision})

    def promote(self, model: str, number: str | None) -> str:
        """Promote a version manually; return a message.

        Args:
            model: the task, or the backbone.
            number: the version; None: the newest.

        Raises:
            InputError: there is no such model managed by textmill, or no such version.
        """
        with self.locked():
            self._required(model)
            versions = self.versions(model)
            if not versions:
                raise InputError(f"{self.name_of(model)} has no versions: run textmill run first.")
            version = versions[-1] if number is None else self.version(model, number)
            before = self.champion(model)
            if before is not None and before.version == version.version:
                return f"{self.name_of(model)}: v{version.version} is already the champion"
            self.record_decision(model, version, "promoted by hand", "promoted by hand", True)
        return f"{self.name_of(model)}: v{version.version} was promoted to champion by hand"

    def rollback(self, model: str) -> str:
        """Roll back to the previous champion; return a message.

        Raises:
            InputError: there is no such model managed by textmill, or no previous champion.
        """
        with self.locked():
            registered = self._required(model)
            assert registered is not None
            current = self.champion(model)
            before = _champions(registered)
            existing = {str(version.version) for version in self.versions(model)}
            present = None if current is None else str(current.version)
            # Deleted since; or the current one, if a change of alias and list, which are two
            # calls, was interrupted.
            while before and (before[-1] not in existing or before[-1] == present):
                before.pop()
            if current is None or not before:
                raise InputError(
                    f"{self.name_of(model)} has no previous champion: promote a version instead."
                )
            *rest, previous = before
            client, name = self.store.client, self.name_of(model)
            client.set_registered_model_alias(name, CHAMPION, previous)
            client.set_registered_model_tag(name, CHAMPIONS_TAG, ",".join(rest))
            reason = f"rolled back to v{previous} by hand"
            self.set_tags(model, current, {REASON_TAG: reason, DECISION_TAG: "rolled back"})
        return f"{name}: v{previous} is the champion again, instead of v{current.version}"

    def _set_champion(self, model: str, number: str) -> None:
        client, name = self.store.client, self.name_of(model)
        registered = self._required(model)
        assert registered is not None
        before = registered.aliases.get(CHAMPION)
        if str(before) == number:
            return
        if before is not None:
            champions = [*_champions(registered), str(before)][-MAX_CHAMPIONS:]
            client.set_registered_model_tag(name, CHAMPIONS_TAG, ",".join(champions))
        client.set_registered_model_alias(name, CHAMPION, number)

    def _required(self, model: str, must_exist: bool = True) -> RegisteredModel | None:
        found = self._find(model)
        if found is None and must_exist:
            names = [m.name for m in self.store.client.search_registered_models()]
            known = listed(n for n in names if n.startswith(self.name_of(""))) or "none"
            raise InputError(
                f"There is no registered model {self.name_of(model)!r}; this experiment has "
                f"{known}. Models are registered by textmill run."
            )
        if found is not None and not self._is_managed(found):
            raise InputError(
                f"The registered model {found.name!r} was not made by textmill for this "
                "experiment: rename it in MLflow, or set experiment=NAME. Nothing was changed."
            )
        return found

    def _find(self, model: str) -> RegisteredModel | None:
        found = self.store.client.search_registered_models(f"name='{self.name_of(model)}'")
        return found[0] if found else None

    def _is_managed(self, found: RegisteredModel) -> bool:
        ours = {KIND_TAG: KIND, EXPERIMENT_TAG: self.experiment}
        return all(found.tags.get(key) == value for key, value in ours.items())


def _champions(registered: RegisteredModel) -> list[str]:
    return [number for number in registered.tags.get(CHAMPIONS_TAG, "").split(",") if number]
