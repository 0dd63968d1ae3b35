"""Specifies the metrics file: no point is written twice, none is half there."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from textmill.training.metrics_file import MetricsFile, read_entries


def lines(work: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]


def points(work: Path) -> list[tuple[int, dict[str, float]]]:
    return [(line["step"], line["metrics"]) for line in lines(work) if "metrics" in line]


def test_the_first_line_says_where_the_step_will_end(tmp_path: Path) -> None:
    MetricsFile(tmp_path, 50).write(1, {"loss": 3.0})
    assert lines(tmp_path)[0] == {"total_steps": 50}
    assert points(tmp_path) == [(1, {"loss": 3.0})]


def test_a_point_has_the_time_in_milliseconds(tmp_path: Path) -> None:
    before_ms = int(time.time() * 1000)
    MetricsFile(tmp_path, 50).write(1, {"loss": 3.0})
    assert before_ms <= lines(tmp_path)[1]["time_ms"] <= time.time() * 1000


def test_a_resumed_run_repeats_no_point(tmp_path: Path) -> None:
    first = MetricsFile(tmp_path, 50)
    for step in (10, 20, 30):
        first.write(step, {"loss": float(step)})
    resumed = MetricsFile(tmp_path, 50)
    for step in (20, 30, 40):
        resumed.write(step, {"loss": -1.0})
    assert points(tmp_path) == [
        (10, {"loss": 10.0}),
        (20, {"loss": 20.0}),
        (30, {"loss": 30.0}),
        (40, {"loss": -1.0}),
    ]
    assert [line for line in lines(tmp_path) if "total_steps" in line] == [{"total_steps": 50}]


def test_each_metric_has_a_newest_step_of_its_own(tmp_path: Path) -> None:
    first = MetricsFile(tmp_path, 50)
    first.write(10, {"loss": 1.0})
    first.write(5, {"accuracy": 0.5})
    MetricsFile(tmp_path, 50).write(10, {"loss": 2.0, "accuracy": 0.6})
    assert points(tmp_path)[-1] == (10, {"accuracy": 0.6})


def test_nothing_new_writes_no_line(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path, 50)
    file.write(10, {"loss": 1.0})
    before = (tmp_path / "metrics.jsonl").read_bytes()
    file.write(10, {"loss": 2.0})
    file.write(3, {"loss": 2.0})
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("half", ['{"step": 20, "met', "{", '{"step": 20, "metrics": {"loss": 2}}'])
def test_a_line_without_its_end_is_cut_off_and_written_again(tmp_path: Path, half: str) -> None:
    MetricsFile(tmp_path, 50).write(10, {"loss": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write(half)
    MetricsFile(tmp_path, 50).write(20, {"loss": 2.0})
    assert points(tmp_path) == [(10, {"loss": 1.0}), (20, {"loss": 2.0})]


def test_a_first_line_without_its_end_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"total_st')
    MetricsFile(tmp_path, 50)
    assert lines(tmp_path) == [{"total_steps": 50}]


def test_a_run_killed_before_its_first_point_names_its_end_once(tmp_path: Path) -> None:
    MetricsFile(tmp_path, 50)
    MetricsFile(tmp_path, 50).write(1, {"loss": 1.0})
    assert [line for line in lines(tmp_path) if "total_steps" in line] == [{"total_steps": 50}]


def test_a_reader_knows_the_points_and_writes_none(tmp_path: Path) -> None:
    writer = MetricsFile(tmp_path, 50)
    writer.write(10, {"loss": 2.0})
    with writer.file.open("a") as stream:
        stream.write('{"step": 20, "met')
    before = writer.file.read_bytes()
    reader = MetricsFile(tmp_path, 50, is_writer=False)
    assert reader.lowest == {"loss": 2.0}
    reader.write(20, {"loss": 1.0})
    assert reader.lowest == {"loss": 1.0}
    assert writer.file.read_bytes() == before


@pytest.mark.parametrize(
    "damaged",
    [
        lambda line: b"{garbage\n",
        lambda line: b"[1]\n",
        lambda line: b"\xff\n",
        lambda line: b'{"a":' * 100_000 + b"\n",
        lambda line: line.replace(b"20.0", b"21.0"),
        lambda line: line.replace(b'"step": 20', b'"step": 25'),
        lambda line: line.replace(b'"check"', b'"chalk"'),
        lambda line: line.replace(b"20.0", b'"20.0"'),
        lambda line: line.replace(b"20.0", b"9" * 5000),
    ],
)
def test_a_damaged_point_ends_what_is_read_and_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: Callable[[bytes], bytes]
) -> None:
    file = MetricsFile(tmp_path, 50)
    for step in (10, 20, 30):
        file.write(step, {"loss": float(step)})
    lines_before = file.file.read_bytes().splitlines(keepends=True)
    lines_before[2] = damaged(lines_before[2])
    file.file.write_bytes(b"".join(lines_before))
    resumed = MetricsFile(tmp_path, 50)
    assert f"{file.file}:3 is damaged" in caplog.text
    assert resumed.lowest == {"loss": 10.0}
    resumed.write(20, {"loss": 19.0})
    assert points(tmp_path) == [(10, {"loss": 10.0}), (20, {"loss": 19.0})]


def test_the_points_of_another_step_are_not_taken(tmp_path: Path) -> None:
    for key in ("one", "another"):
        (tmp_path / key / "work").mkdir(parents=True)
    MetricsFile(tmp_path / "one" / "work", 50).write(10, {"loss": 1.0})
    file = tmp_path / "another" / "work" / "metrics.jsonl"
    shutil.copy(tmp_path / "one" / "work" / "metrics.jsonl", file)
    assert read_entries(file.read_bytes(), file)[0] == [{"total_steps": 50}]
