"""The two ways in which work fails that a user can do something about, and words for messages."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from textmill.secrets import redact

MAX_LISTED = 10
"""Values that a message lists; it gives the number of the others."""

log = logging.getLogger(__name__)


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


def listed(values: Iterable[object], separator: str = ", ") -> str:
    """Return values for a message: the first ten, and the number of the others."""
    remaining = iter(values)
    shown = separator.join(map(str, islice(remaining, MAX_LISTED)))
    n_others = sum(1 for _ in remaining)
    return f"{shown} and {n_others:,} other{'s' * (n_others > 1)}" if n_others else shown


@contextmanager
def spared(what: str) -> Iterator[None]:
    """Log what goes wrong with a picture, a card or a page: numbers that are done stay done.

    What a user can do something about is raised, and so is a full disk, because what follows would
    fail as well.
    """
    try:
        yield
    except (InputError, RunError, OSError):
        raise
    except Exception as error:
        log.warning(
            "%s could not be made (%s: %s). The numbers are complete without it.",
            what,
            type(error).__name__,
            " ".join(str(error).split())[:300],
        )
