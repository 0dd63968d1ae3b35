"""Specifies the ticks of a cron line, and whose deployment is whose."""

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
from textmill_flows.scheduling.schedule import deployment_name, refuse_other_settings, upcoming

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("61 * * * *", "is wrong: write minute, hour, day, month and weekday"),
        ("0 2 * *", "is wrong"),
        ("* * * * * *", "is wrong"),
        ("tomorrow", "is wrong"),
        ("", "is wrong"),
        ("R 2 * * *", "is wrong"),
    ],
)
def test_a_cron_line_that_gives_no_ticks_is_refused_in_one_line(cron: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        upcoming(cron, "UTC", 2)
    assert len(str(caught.value).splitlines()) == 1
    assert repr(cron) in str(caught.value)


def test_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(InputError, match="There is no time zone 'Mars'"):
        upcoming("0 2 * * *", "Mars", 2)


def test_a_rare_day_is_waited_for() -> None:
    (tick,) = upcoming("0 0 29 2 *", "UTC", 1, datetime(2026, 1, 1, tzinfo=UTC))
    assert (tick.year, tick.month, tick.day) == (2028, 2, 29)


@pytest.mark.parametrize(
    ("day", "month", "hours"),
    [(24, 10, [0, 0, 1, 1]), (27, 3, [1, 1, 0, 0])],
    ids=["clock put back", "clock put forward"],
)
def test_there_is_one_tick_a_day_when_the_clock_changes(
    day: int, month: int, hours: list[int]
) -> None:
    start = datetime(2026, month, day, 0, 0, tzinfo=BERLIN)
    ticks = upcoming("30 2 * * *", "Europe/Berlin", 4, start)
    assert [tick.date().toordinal() - start.toordinal() for tick in ticks] == [0, 1, 2, 3]
    assert [tick.astimezone(UTC).hour for tick in ticks] == hours


def test_every_configuration_and_experiment_has_a_deployment_of_its_own() -> None:
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
    """Let Prefect's server know a deployment of this version, or none."""

    def read(name: str) -> SimpleNamespace:
        assert name == "retrain/demo-a-data"
        if version is None:
            raise ObjectNotFound(ValueError("none"))
        return SimpleNamespace(id=uuid4(), last_polled=asked, version=version)

    @contextmanager
    def client(sync_client: bool) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(read_deployment_by_name=read)

    monkeypatch.setattr(schedule, "get_client", client)


def test_a_deployment_at_work_is_not_overwritten_by_other_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy(monkeypatch, datetime.now(UTC), "theirs")
    with pytest.raises(InputError, match="retrain/demo-a-data is being served with other settings"):
        refuse_other_settings("demo-a-data", "mine")


@pytest.mark.parametrize(
    ("seconds", "version"),
    [(5, "mine"), (300, "theirs"), (0, None)],
    ids=["the same", "stopped", "none"],
)
def test_what_is_the_same_or_served_no_more_is_taken_over(
    monkeypatch: pytest.MonkeyPatch, seconds: int, version: str | None
) -> None:
    deploy(monkeypatch, datetime.now(UTC) - timedelta(seconds=seconds), version)
    refuse_other_settings("demo-a-data", "mine")


def test_a_deployment_that_nothing_has_asked_for_is_taken_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy(monkeypatch, None, "theirs")
    refuse_other_settings("demo-a-data", "mine")
