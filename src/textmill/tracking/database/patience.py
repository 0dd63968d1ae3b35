"""Trying again while a tracking server is away, so that an outage costs time and no work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, ErrorCode
from requests import RequestException
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_before_delay,
    wait_exponential,
)

PATIENCE_S = 120.0
MAX_PAUSE_S = 15.0
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
        retrying = Retrying(
            retry=retry_if_exception(is_passing),
            wait=wait_exponential(max=MAX_PAUSE_S),
            stop=self._is_over,
            before_sleep=lambda _: self._warn(),
            reraise=True,
        )
        try:
            answer = retrying(attempt)
        except Exception as error:
            self._is_given_up |= is_passing(error)
            raise
        if self._is_away:
            log.warning("The tracking server %s works again.", self.server)
        self._is_away = self._is_given_up = False
        return answer

    def _is_over(self, state: RetryCallState) -> bool:
        return self._is_given_up or stop_before_delay(PATIENCE_S)(state)

    def _warn(self) -> None:
        if not self._is_away:
            log.warning(
                "The tracking server %s fails; trying again for %d s.", self.server, PATIENCE_S
            )
        self._is_away = True


def is_passing(error: BaseException) -> bool:
    """Return whether the cause may be gone soon: the server is away, or has failed itself."""
    if isinstance(error, RestException):
        return bool(error.get_http_status_code() >= SERVER_ERROR)  # type: ignore[no-untyped-call]
    if isinstance(error, RequestException):
        return error.response is None or error.response.status_code >= SERVER_ERROR
    internal = ErrorCode.Name(INTERNAL_ERROR)
    return isinstance(error, MlflowException) and error.error_code == internal
