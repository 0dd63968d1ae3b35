"""Manual promotion and rollback."""

from __future__ import annotations

from textmill.config import Config
from textmill.registry.versions import Registry
from textmill.tracking.store import Store


def promote_model(model: str, version: str | None, config: Config) -> str:
    """Promote a version of a model to champion; return a message.

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
    """Roll back to the previous champion; return a message.

    Raises:
        InputError: there is no such model, or no previous champion.
    """
    registry = _registry(config)
    return registry.rollback(_short_name(registry, model))


def _registry(config: Config) -> Registry:
    return Registry(Store(config.tracking), config.experiment)


def _short_name(registry: Registry, model: str) -> str:
    return model.removeprefix(registry.name_of(""))
