"""Specifies patience: what is worth trying again, for how long, and what people are told."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import requests
import tenacity
from mlflow.exceptions import MlflowException, RestException

from textmill.tracking.database import patience
from textmill.tracking.database.patience import ServerRetries, is_transient


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    fake = SimpleNamespace(sleep=clock.sleep, monotonic=lambda: clock.now)
    monkeypatch.setattr(tenacity, "time", fake)
    monkeypatch.setattr(tenacity.nap, "time", fake)
    return clock


class Server:
    """Fails for so many calls, with the error that it is given."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures, self.calls = failures, 0
        self.error = error or MlflowException("API request failed with exception")

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "answer"


def response(status: int) -> requests.HTTPError:
    answer = requests.Response()
    answer.status_code = status
    return requests.HTTPError(response=answer)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (MlflowException("API request to … failed with exception …"), True),
        (RestException({"error_code": "INTERNAL_ERROR"}), True),
        (RestException({"error_code": "TEMPORARILY_UNAVAILABLE"}), True),
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST"}), False),
        (MlflowException.invalid_parameter_value("a param changed"), False),
        (requests.ConnectionError(), True),
        (response(500), True),
        (response(404), False),
        (OSError("disk"), False),
    ],
    ids=str,
)
def test_only_transient_errors_are_retried(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes
    server = Server(1, error)
    if passes:
        assert ServerRetries("here").call(server) == "answer"
    else:
        with pytest.raises(type(error)):
            ServerRetries("here").call(server)
        assert server.calls == 1


def test_an_outage_is_reported_once_at_its_start_and_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    patient = ServerRetries("http://here")
    assert patient.call(Server(5)) == "answer"
    assert [record.message for record in caplog.records] == [
        "The tracking server http://here fails; retrying for 120 s.",
        "The tracking server http://here works again.",
    ]


def test_it_ends_after_two_minutes_and_then_waits_no_more_until_a_call_succeeds(
    clock: Clock,
) -> None:
    patient, begun_s = ServerRetries("http://here"), time.monotonic()
    with pytest.raises(MlflowException):
        patient.call(Server(999))
    assert 90 <= clock.now - 100 <= patience.RETRY_TIMEOUT_S
    at_the_end = Server(999)
    with pytest.raises(MlflowException):
        patient.call(at_the_end)
    assert at_the_end.calls == 1
    assert patient.call(Server(0)) == "answer"
    assert patient.call(Server(5)) == "answer"
    assert time.monotonic() - begun_s < 5
