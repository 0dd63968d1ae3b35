"""Retries during outages of a tracking server, so that an outage delays a run but loses no work."""

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

RETRY_TIMEOUT_S = 120.0
MAX_WAIT_S = 15.0
SERVER_ERROR = 500

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


@dataclass
class ServerRetries:
    """Retries calls that a server does not answer, or answers with a server error.

    After a timeout, each call is tried only once until one succeeds: the last calls of a failing
    run must not time out one after the other.
    """

    server: str
    _is_down: bool = False
    _has_timed_out: bool = False

    def call(self, attempt: Callable[[], Answer]) -> Answer:
        """Return the result of a call, retried for up to `RETRY_TIMEOUT_S` seconds.

        Raises:
            Exception: the last error of the call, or the first one that is not transient.
        """
        retrying = Retrying(
            retry=retry_if_exception(is_transient),
            wait=wait_exponential(max=MAX_WAIT_S),
            stop=self._should_stop,
            before_sleep=lambda _: self._warn(),
            reraise=True,
        )
        try:
            answer = retrying(attempt)
        except Exception as error:
            self._has_timed_out |= is_transient(error)
            raise
        if self._is_down:
            log.warning("The tracking server %s works again.", self.server)
        self._is_down = self._has_timed_out = False
        return answer

    def _should_stop(self, state: RetryCallState) -> bool:
        return self._has_timed_out or stop_before_delay(RETRY_TIMEOUT_S)(state)

    def _warn(self) -> None:
        if not self._is_down:
            log.warning(
                "The tracking server %s fails; retrying for %d s.", self.server, RETRY_TIMEOUT_S
            )
        self._is_down = True


def is_transient(error: BaseException) -> bool:
    """Return whether a retry may succeed: the server did not respond, or had an internal error."""
    if isinstance(error, RestException):
        return bool(error.get_http_status_code() >= SERVER_ERROR)  # type: ignore[no-untyped-call]
    if isinstance(error, RequestException):
        return error.response is None or error.response.status_code >= SERVER_ERROR
    internal = ErrorCode.Name(INTERNAL_ERROR)
    return isinstance(error, MlflowException) and error.error_code == internal
