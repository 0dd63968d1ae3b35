"""Notifications through a Prefect block or a command."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from textmill.config import Config
from textmill.secrets import redact
from textmill.steps.access import users_umask

TIME_LIMIT_S = 60

log = logging.getLogger("textmill.flows")


def notify(config: Config, event: str, message: str, facts: Mapping[str, str]) -> None:
    """Send the configured notifications for an event.

    A failed notification is logged, and does not affect the run.

    Args:
        config: has the `notify` entries.
        event: failed, promoted or drifted.
        message: human-readable message.
        facts: machine-readable details, such as `run_url`.
    """
    facts = {"event": event, "experiment": config.experiment, **facts}
    message = redact(message)
    for entry in config.notify:
        if entry.event != event:
            continue
        recipient = entry.command or entry.block
        assert recipient is not None
        try:
            if entry.command is not None:
                _run(entry.command.get_secret_value(), message, facts)
            else:
                subject = f"textmill: {config.experiment}: {event}"
                _send(recipient.get_secret_value(), subject, message, facts)
        except Exception as error:  # must not affect the run
            reason = recipient.redact_in(redact(_describe(error)))
            log.warning("The notification %s failed: %s", recipient, reason)


def _run(command: str, message: str, facts: Mapping[str, str]) -> None:
    variables = {f"TEXTMILL_{name.upper()}": value for name, value in facts.items()}
    subprocess.run(
        shlex.split(command),
        input=message,
        text=True,
        capture_output=True,
        env=os.environ | variables,
        check=True,
        timeout=TIME_LIMIT_S,
        umask=users_umask(),  # its files are the user's, not part of the store
    )


def _send(slug: str, subject: str, message: str, facts: Mapping[str, str]) -> None:
    # Importing the modules registers their block types.
    import prefect.blocks.notifications
    import prefect.blocks.webhook
    from prefect.blocks.abstract import NotificationBlock
    from prefect.blocks.core import Block

    block: Any = Block.load(slug)
    if isinstance(block, NotificationBlock):
        with block.raise_on_failure():
            send: Any = block.notify
            send(message, subject)  # not a coroutine when called outside an event loop
    elif isinstance(block, prefect.blocks.webhook.Webhook):
        payload = {"subject": subject, "message": message, **facts}
        asyncio.run(block.call(payload)).raise_for_status()
    else:
        raise ValueError("the block is neither a notification block nor a webhook")


def _describe(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stderr or error.stdout).strip().splitlines()
        return f"it exited with status {error.returncode}" + (f" ({lines[-1]})" if lines else "")
    return (str(error) or type(error).__name__).splitlines()[0]
