"""MLflow's client with idempotent retries and readable error messages.

A response may be lost after the server has done its work. Calls that set something can simply be
repeated; before a call that creates something is repeated, its result is searched for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient

from textmill.tracking.database.interruption import delayed_interrupts

READS = ("get_", "search_", "list_", "download_", "load_")
"""Prefixes of the names of read-only calls."""
START_TAG = "textmill.start"
"""A unique id of every run, chosen by the client, to find it if the response was lost."""


class Client:
    """MLflow's client; its calls raise StoreError, and signals do not interrupt them.

    Args:
        bare: MLflow's own client.
        run_call: calls a function, perhaps repeatedly, and converts its exceptions.
        check_writable: raises RunError if the store is read-only.
    """

    def __init__(
        self,
        bare: MlflowClient,
        run_call: Callable[[Callable[[], Any]], Any],
        check_writable: Callable[[], None],
    ) -> None:
        self.bare = bare
        self._run_call = run_call
        self._check_writable = check_writable

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.bare, name)

        def call(*arguments: Any, **named: Any) -> Any:
            is_repeat = False
            if not name.startswith(READS):
                self._check_writable()

            def attempt() -> Any:
                nonlocal is_repeat
                with delayed_interrupts():
                    if is_repeat:
                        return self._repeat(name, *arguments, **named)
                    is_repeat = True
                    return method(*arguments, **named)

            return self._run_call(attempt)

        return call if callable(method) else method

    def _repeat(self, name: str, *arguments: Any, **named: Any) -> Any:
        """Repeat a call that may have succeeded, and return its result."""
        created = (
            FIND_CREATED[name](self.bare, *arguments, **named) if name in FIND_CREATED else None
        )
        if created is not None:
            return created
        try:
            return getattr(self.bare, name)(*arguments, **named)
        except MlflowException as error:
            if name.startswith("delete_") and is_missing(error):
                return None
            raise


def is_missing(error: BaseException | None) -> bool:
    """Return whether the error means that the requested resource does not exist."""
    code = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
    return isinstance(error, MlflowException) and error.error_code == code


def _experiment(client: MlflowClient, name: str, *_: Any, **__: Any) -> Any:
    found = client.get_experiment_by_name(name)
    return found and found.experiment_id


def _run(client: MlflowClient, experiment_id: str, **named: Any) -> Any:
    condition = f"tags.`{START_TAG}`='{named['tags'][START_TAG]}'"
    return next(iter(client.search_runs([experiment_id], condition)), None)


def _logged_model(client: MlflowClient, experiment_id: str, *_: Any, **named: Any) -> Any:
    condition = f"source_run_id='{named['source_run_id']}'"
    return next(iter(client.search_logged_models([experiment_id], condition)), None)


def _registered_model(client: MlflowClient, name: str, *_: Any, **__: Any) -> Any:
    return next(iter(client.search_registered_models(f"name='{name}'")), None)


def _version(client: MlflowClient, name: str, source: str, run_id: str, **_: Any) -> Any:
    found = client.search_model_versions(f"name='{name}'")
    return next((v for v in found if (v.source, v.run_id) == (source, run_id)), None)


FIND_CREATED: dict[str, Callable[..., Any]] = {
    "create_experiment": _experiment,
    "create_run": _run,
    "create_logged_model": _logged_model,
    "create_registered_model": _registered_model,
    "create_model_version": _version,
}
"""For calls that create something: a function with the same arguments that finds it, or None."""
