"""The two exceptions whose cause a user can fix, and helpers for messages."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from textmill.secrets import redact

MAX_LISTED = 10
"""Maximum values listed in a message, followed by the number of the others."""

log = logging.getLogger(__name__)


class InputError(ValueError):
    """Invalid input or configuration; the message says what, where, and how to fix it.

    The command line prints only the message and exits with status 2. Credentials are redacted from
    the message, because it is printed, recorded in MLflow and Prefect, and sent in notifications.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))


class RunError(RuntimeError):
    """A failure at run time (a crash, a full disk, a server that does not respond).

    The command line prints only the message and exits with status 1. Credentials are redacted.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))


def listed(values: Iterable[object], separator: str = ", ") -> str:
    """Return values joined for a message: the first ten, and the number of the others."""
    remaining = iter(values)
    shown = separator.join(map(str, islice(remaining, MAX_LISTED)))
    n_others = sum(1 for _ in remaining)
    return f"{shown} and {n_others:,} other{'s' * (n_others > 1)}" if n_others else shown


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Log exceptions of optional output (a plot, a card, a page) instead of failing the step.

    Errors that a user can fix are raised, and so is a full disk, because later work would also
    fail.
    """
    try:
        yield
    except (InputError, RunError, OSError):
        raise
    except Exception as error:
        log.warning(
            "%s could not be created (%s: %s). The results are complete without it.",
            what,
            type(error).__name__,
            " ".join(str(error).split())[:300],
        )
