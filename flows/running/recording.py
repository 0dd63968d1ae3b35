"""Prefect flows whose parameters and failures are recorded without credentials."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow

from textmill.errors import InputError, RunError
from textmill.secrets import redact, redact_values
from textmill_flows.composed import Composed
from textmill_flows.scheduling.fixed import refuse_deployed

P = ParamSpec("P")
R = TypeVar("R")


class RecordedFlow(Flow[P, R]):
    """A Prefect flow; whoever calls it, Prefect's database and page get no credentials.

    The flow itself is called with its parameters as they are.
    """

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters as Prefect records them: of a configuration, its words."""
        rest = {name: value for name, value in parameters.items() if name != "composed"}
        shown = redact_values(rest)
        if isinstance(composed := parameters.get("composed"), Composed):
            shown |= {"config": composed.name, "overrides": composed.recorded_overrides()}
        return super().serialize_parameters(shown)

    def with_options(self, **options: Any) -> RecordedFlow[P, R]:
        """Return the same flow with other options; Prefect's own would be an ordinary one."""
        changed = super().with_options(**options)
        changed.__class__ = type(self)
        return cast(RecordedFlow[P, R], changed)


def recorded_flow(name: str) -> Callable[[Callable[P, R]], RecordedFlow[P, R]]:
    """Return the decorator of a flow that a command, or another flow, calls in its own process.

    Results live in MLflow alone, so Prefect persists none. A run of it that comes from a deployment
    raises an InputError.
    """

    def decorate(function: Callable[P, R]) -> RecordedFlow[P, R]:
        @functools.wraps(function)
        def call(*arguments: P.args, **named: P.kwargs) -> R:
            refuse_deployed(name)
            return function(*arguments, **named)

        return RecordedFlow(quiet(call), name=name, persist_result=False, validate_parameters=False)

    return decorate


def quiet(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function for Prefect, which records the messages of all exceptions.

    Those of this package hold no credentials; others that do become a RunError without them.
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
