"""Champions chosen by hand."""

from __future__ import annotations

from textmill.config import Config
from textmill.registry.versions import Registry
from textmill.tracking.store import Store


def promote_model(model: str, version: str | None, config: Config) -> str:
    """Make a version of a model the champion; return what was done.

    Args:
        model: a task of the experiment or `backbone`, or its registered name.
        version: its number; None takes the newest.
        config: names store and experiment.

    Raises:
        InputError: there is no such model or version.
    """
    registry = _registry(config)
    return registry.promote(_short_name(registry, model), version)


def rollback_model(model: str, config: Config) -> str:
    """Make the champion before the present one champion again; return what was done.

    Raises:
        InputError: there is no such model, or no champion before.
    """
    registry = _registry(config)
    return registry.rollback(_short_name(registry, model))


def _registry(config: Config) -> Registry:
    return Registry(Store(config.tracking), config.experiment)


def _short_name(registry: Registry, model: str) -> str:
    return model.removeprefix(registry.name_of(""))
