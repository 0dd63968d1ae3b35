"""Specifies the times of a cron expression, and conflicts between deployments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from prefect.exceptions import ObjectNotFound

from textmill.errors import InputError
from textmill_flows.scheduling import schedule
from textmill_flows.scheduling.schedule import (
    deployment_name,
    next_run_times,
    reject_other_settings,
)

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("61 * * * *", "is invalid: use minute, hour, day, month and weekday"),
        ("0 2 * *", "is invalid"),
        ("* * * * * *", "is invalid"),
        ("tomorrow", "is invalid"),
        ("", "is invalid"),
        ("R 2 * * *", "is invalid"),
    ],
)
def test_a_cron_expression_that_never_fires_is_an_error_in_one_line(cron: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        next_run_times(cron, "UTC", 2)
    assert len(str(caught.value).splitlines()) == 1
    assert repr(cron) in str(caught.value)


def test_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(InputError, match="--timezone 'Mars' is unknown"):
        next_run_times("0 2 * * *", "Mars", 2)


def test_a_rare_date_is_found() -> None:
    (time,) = next_run_times("0 0 29 2 *", "UTC", 1, datetime(2026, 1, 1, tzinfo=UTC))
    assert (time.year, time.month, time.day) == (2028, 2, 29)


@pytest.mark.parametrize(
    ("day", "month", "hours"),
    [(24, 10, [0, 0, 1, 1]), (27, 3, [1, 1, 0, 0])],
    ids=["clock put back", "clock put forward"],
)
def test_there_is_one_time_per_day_when_the_clock_changes(
    day: int, month: int, hours: list[int]
) -> None:
    start = datetime(2026, month, day, 0, 0, tzinfo=BERLIN)
    times = next_run_times("30 2 * * *", "Europe/Berlin", 4, start)
    assert [time.date().toordinal() - start.toordinal() for time in times] == [0, 1, 2, 3]
    assert [time.astimezone(UTC).hour for time in times] == hours


def test_every_configuration_and_experiment_has_its_own_deployment() -> None:
    names = {
        deployment_name(experiment, config, trigger)
        for experiment in ("a", "b")
        for config in ("demo", "/home/me/my.yaml")
        for trigger in ("data", "drift")
    }
    assert len(names) == 8
    assert "my-a-drift" in names
    assert not set(deployment_name("team/a&b", "demo", "data")) & set("/%&<>")


def deploy(monkeypatch: pytest.MonkeyPatch, asked: datetime | None, version: str | None) -> None:
    """Let Prefect's server have a deployment of this version, or none."""

    def read(name: str) -> SimpleNamespace:
        assert name == "retrain/demo-a-data"
        if version is None:
            raise ObjectNotFound(ValueError("none"))
        return SimpleNamespace(id=uuid4(), last_polled=asked, version=version)

    @contextmanager
    def client(sync_client: bool) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(read_deployment_by_name=read)

    monkeypatch.setattr(schedule, "get_client", client)


def test_a_served_deployment_is_not_overwritten_by_other_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy(monkeypatch, datetime.now(UTC), "theirs")
    with pytest.raises(InputError, match="retrain/demo-a-data is being served with other settings"):
        reject_other_settings("demo-a-data", "mine")


@pytest.mark.parametrize(
    ("seconds", "version"),
    [(5, "mine"), (300, "theirs"), (0, None)],
    ids=["the same", "stopped", "none"],
)
def test_a_deployment_with_the_same_settings_or_no_longer_served_is_replaced(
    monkeypatch: pytest.MonkeyPatch, seconds: int, version: str | None
) -> None:
    deploy(monkeypatch, datetime.now(UTC) - timedelta(seconds=seconds), version)
    reject_other_settings("demo-a-data", "mine")


def test_a_deployment_that_was_never_polled_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy(monkeypatch, None, "theirs")
    reject_other_settings("demo-a-data", "mine")
