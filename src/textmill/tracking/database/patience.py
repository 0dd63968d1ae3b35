"""Trying again while a tracking server is away, so that an outage costs time and no work."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, ErrorCode
from requests import RequestException

PATIENCE_S = 120.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0
SERVER_ERROR = 500

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


@dataclass
class Patience:
    """Repeats what a server does not answer, or answers by an error of its own.

    Once it has been waited for in vain, calls are tried only once each until one succeeds: what a
    failing run has still to do at its end must not wait anew each time.
    """

    server: str
    _is_away: bool = False
    _is_given_up: bool = False

    def call(self, attempt: Callable[[], Answer]) -> Answer:
        """Return the answer of a call, which is made again and again for two minutes.

        Raises:
            Exception: what the call raised last, or at once where trying again cannot help.
        """
        deadline_s = time.monotonic() + PATIENCE_S
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                answer = attempt()
            except Exception as error:
                if not is_passing(error):
                    raise
                if self._is_given_up or time.monotonic() + pause_s > deadline_s:
                    self._is_given_up = True
                    raise
                if not self._is_away:
                    log.warning(
                        "The tracking server %s fails; trying again for %d s.",
                        self.server,
                        PATIENCE_S,
                    )
                self._is_away = True
            else:
                if self._is_away:
                    log.warning("The tracking server %s works again.", self.server)
                self._is_away = self._is_given_up = False
                return answer
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def is_passing(error: Exception) -> bool:
    """Return whether the cause may be gone soon: the server is away, or has failed itself."""
    if isinstance(error, RestException):
        return bool(error.get_http_status_code() >= SERVER_ERROR)  # type: ignore[no-untyped-call]
    if isinstance(error, RequestException):
        return error.response is None or error.response.status_code >= SERVER_ERROR
    internal = ErrorCode.Name(INTERNAL_ERROR)
    return isinstance(error, MlflowException) and error.error_code == internal
