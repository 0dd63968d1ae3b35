"""Settings of a deployment, fixed by the process that serves it instead of by flow parameters.

Anybody with access to Prefect's API can create runs of a deployment with arbitrary parameters. A
configuration names commands (`notify`), files and URLs, so a run must not bring its own.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from prefect.context import FlowRunContext

from textmill.errors import InputError

CONFIG, OVERRIDES, TRIGGER = "TEXTMILL_CONFIG", "TEXTMILL_OVERRIDES", "TEXTMILL_TRIGGER"
"""Environment variables of the process that serves a deployment; the overrides are shell-quoted."""


def reject_deployment_run(name: str) -> None:
    """Raise InputError if the running flow was started by a deployment.

    Flows called by a command or by another flow are accepted.

    Args:
        name: the name of the flow.

    Raises:
        InputError: the running flow was started by a deployment.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is not None and run.deployment_id is not None:
        raise InputError(
            f"The flow {name} takes its settings from parameters, which anybody with access to "
            "Prefect's server could set: deploy textmill_flows.scheduling.retrain.deployed, or "
            "your own flow without parameters that calls this one."
        )


def fix_settings(trigger: str, config: str, overrides: Sequence[str]) -> None:
    """Set the trigger, configuration and overrides of the deployments that this process serves."""
    os.environ[TRIGGER] = trigger
    os.environ[CONFIG] = config
    os.environ[OVERRIDES] = shlex.join(overrides)


def fixed_settings() -> tuple[str, str, list[str]]:
    """Return trigger, configuration and overrides of the deployments that this process serves.

    Raises:
        InputError: the overrides are not valid shell syntax.
    """
    quoted = os.environ.get(OVERRIDES, "")
    try:
        overrides = shlex.split(quoted)
    except ValueError as error:
        # The value is not shown, as it may contain credentials.
        raise InputError(
            f"{OVERRIDES} cannot be parsed ({error}): quote each override as for a shell."
        ) from None
    return os.environ.get(TRIGGER, "data"), os.environ.get(CONFIG, "demo"), overrides
