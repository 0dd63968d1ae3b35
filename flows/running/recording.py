"""Prefect flows whose parameters and errors are recorded without credentials."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow

from textmill.errors import InputError, RunError
from textmill.secrets import redact, redact_values
from textmill_flows.invocation import Composed
from textmill_flows.scheduling.fixed import reject_deployment_run

P = ParamSpec("P")
R = TypeVar("R")


class RecordedFlow(Flow[P, R]):
    """A Prefect flow whose parameters are recorded in Prefect without credentials.

    The flow function receives the original parameters.
    """

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters to record: of a configuration, its name and overrides."""
        rest = {name: value for name, value in parameters.items() if name != "composed"}
        shown = redact_values(rest)
        if isinstance(composed := parameters.get("composed"), Composed):
            shown |= {"config": composed.name, "overrides": composed.recorded_overrides()}
        return super().serialize_parameters(shown)

    def with_options(self, **options: Any) -> RecordedFlow[P, R]:
        """Return the same flow with other options, as this class instead of `Flow`."""
        changed = super().with_options(**options)
        changed.__class__ = type(self)
        return cast(RecordedFlow[P, R], changed)


def recorded_flow(name: str) -> Callable[[Callable[P, R]], RecordedFlow[P, R]]:
    """Return the decorator of a flow that a command or another flow calls in its process.

    Prefect persists no results: they are in MLflow. Running it from a deployment raises InputError.
    """

    def decorate(function: Callable[P, R]) -> RecordedFlow[P, R]:
        @functools.wraps(function)
        def call(*arguments: P.args, **named: P.kwargs) -> R:
            reject_deployment_run(name)
            return function(*arguments, **named)

        return RecordedFlow(quiet(call), name=name, persist_result=False, validate_parameters=False)

    return decorate


def quiet(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function whose exceptions have no credentials, because Prefect records them.

    textmill's exceptions are redacted already; others with credentials become a RunError.
    """

    @functools.wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return function(*arguments, **named)
        except (InputError, RunError):
            raise
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            if redact(message) == message:
                raise
            raise RunError(message) from None

    return call
