"""The two ways in which work fails that a user can do something about."""

from __future__ import annotations

from textmill.secrets import redact


class InputError(ValueError):
    """Input or configuration that cannot be used; the message names it, the place and the fix.

    The command line prints the message alone and exits with status 2. No message holds
    credentials, whatever it quotes: it is printed, recorded in MLflow and Prefect, and sent.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))


class RunError(RuntimeError):
    """Work that could not be finished (a crash, a full disk, a server that does not answer).

    The command line prints the message alone and exits with status 1. No message holds
    credentials.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))
