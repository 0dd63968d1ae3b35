"""Specifies the ticks of a cron line."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from flows.schedule import upcoming
from textmill.errors import InputError

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
