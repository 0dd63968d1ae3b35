"""Whose word counts: a command's arguments are its caller's; a deployment's runs have none.

Whoever reaches Prefect's interface can make runs of a deployment, with parameters of any kind. A
configuration names commands (`notify`), files and addresses: so no run brings its own.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from prefect.context import FlowRunContext

from textmill.errors import InputError

CONFIG, OVERRIDES, TRIGGER = "TEXTMILL_CONFIG", "TEXTMILL_OVERRIDES", "TEXTMILL_TRIGGER"
"""Variables of the process that serves a deployment; the overrides as words of a command line."""


def refuse_deployed(name: str) -> None:
    """Return unless the running flow is a deployment's run, and no command or flow has called it.

    Args:
        name: of the flow.

    Raises:
        InputError: it is.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is not None and run.deployment_id is not None:
        raise InputError(
            f"The flow {name} takes its settings from parameters, which anybody who reaches "
            "Prefect's server could set: deploy textmill_flows.scheduling.retrain.deployed, or a "
            "flow of your own without parameters that calls this one."
        )


def fix_settings(trigger: str, config: str, overrides: Sequence[str]) -> None:
    """Set what the deployments that this process serves retrain, and when."""
    os.environ[TRIGGER] = trigger
    os.environ[CONFIG] = config
    os.environ[OVERRIDES] = shlex.join(overrides)


def fixed_settings() -> tuple[str, str, list[str]]:
    """Return trigger, configuration and overrides of whatever this process serves.

    Raises:
        InputError: the overrides are no words of a command line.
    """
    words = os.environ.get(OVERRIDES, "")
    try:
        overrides = shlex.split(words)
    except ValueError as error:
        # Without the words, which may hold credentials.
        raise InputError(f"{OVERRIDES} cannot be read ({error}): quote its words.") from None
    return os.environ.get(TRIGGER, "data"), os.environ.get(CONFIG, "demo"), overrides
