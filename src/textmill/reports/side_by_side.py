"""Rendering of a comparison of pipeline runs, as Markdown with aligned tables or for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textmill.evaluation.significance import Difference, Interval
from textmill.reports.formats import cut, duration, number
from textmill.tasks.language_model.harness.logged_scores import PREFIX as HARNESS
from textmill.tasks.language_model.metrics import BITS_PER_BYTE

MAX_VALUE_CHARS = 60
MAX_TABLE_ROWS = 40
"""Maximum number of differences per table in Markdown; the JSON output contains all."""
DIGEST_CHARS = 12

Differing = Mapping[str, tuple[str, ...]]
"""By name, the values in all runs if they differ; empty if a run has none."""


@dataclass(frozen=True)
class Run:
    """One of the compared runs."""

    name: str
    run_id: str
    url: str
    date: str
    command: str


@dataclass(frozen=True)
class Score:
    """A score of one run, with its difference to that of the first run."""

    task: str
    metric: str
    run: int
    """Index of the run."""
    value: float
    interval: Interval | None = None
    against_first: Difference | None = None
    note: str = ""
    """Why there is no interval or no test."""


@dataclass(frozen=True)
class Cost:
    """The resources that a step used in each run; None if a run has no such step."""

    step: str
    seconds: tuple[float | None, ...]
    memory_mib: tuple[float | None, ...]
    """Peak memory use of the machine while it ran."""
    is_reused: tuple[bool, ...]


@dataclass(frozen=True)
class Comparison:
    """The content of a comparison; its rendering depends on nothing else."""

    runs: tuple[Run, ...]
    settings: Differing
    data: Differing
    """Digests of raw files."""
    results: Differing
    """Digests of the steps' outputs."""
    commits: Differing
    modules: Differing
    """Digests of the syntax trees of the steps' code, by module."""
    packages: Differing
    machine: Differing
    scores: tuple[Score, ...]
    costs: tuple[Cost, ...]
    behaviour: Differing = field(default_factory=dict)
    """Shares of passed cases of behaviour tests, and scores of bias reports."""
    audit: Differing = field(default_factory=dict)
    """What backbones have memorized."""


def differing(values: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return the entries that differ between mappings, sorted by key."""
    keys = sorted({key for mapping in values for key in mapping})
    rows = {key: tuple(mapping.get(key, "") for mapping in values) for key in keys}
    return {key: row for key, row in rows.items() if len(set(row)) > 1}


def plain_values(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON-serializable values."""
    return dataclasses.asdict(comparison)


def render(comparison: Comparison) -> str:
    """Return the comparison as Markdown; deterministic."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    runs = comparison.runs
    numbers = [str(i) for i in range(1, len(runs) + 1)]
    yield "# Comparison of runs"
    yield from _table(
        ["", "run", "id", "date"],
        [[n, run.name, run.run_id, run.date] for n, run in zip(numbers, runs, strict=True)],
    )
    for n, run in zip(numbers, runs, strict=True):
        yield f"{n}. `{run.command}`"
    yield ""
    yield "## Scores"
    yield from _scores(comparison)
    tested = {"Behaviour tests and bias": comparison.behaviour, "Memorization": comparison.audit}
    for title, found in (
        *((title, found) for title, found in tested.items() if found),
        ("Settings", comparison.settings),
        ("Data", _short(comparison.data)),
        ("Results of steps", _short(comparison.results)),
        ("Commit", comparison.commits),
        ("Code", _short(comparison.modules)),
        ("Packages", comparison.packages),
        ("Machine", comparison.machine),
    ):
        yield f"## {title}"
        if not found:
            yield from ("", "No differences.", "")
            continue
        rows = [[name, *(value or "–" for value in values)] for name, values in found.items()]
        yield from _table(["differs", *numbers], rows[:MAX_TABLE_ROWS])
        if len(rows) > MAX_TABLE_ROWS:
            yield from (f"… and {len(rows) - MAX_TABLE_ROWS} more (in the JSON output).", "")
    yield "## Cost"
    yield from _costs(comparison, numbers)


def _scores(comparison: Comparison) -> Iterator[str]:
    rows = []
    for score in comparison.scores:
        if "/" in score.metric and not score.metric.startswith((f"{BITS_PER_BYTE}/", HARNESS)):
            continue  # of a class or entity type, or of a slice: only in the JSON output
        difference = score.against_first
        rows.append(
            [
                f"{score.task}/{score.metric}",
                str(score.run + 1),
                f"{score.value:.4g}",
                _bounds(score.interval),
                f"{difference.gain.value + 0.0:+.4g}" if difference else "",
                _bounds(difference.gain if difference else None),
                _p(difference.p_value) if difference else score.note,
            ]
        )
    yield from _table(["score", "run", "value", "95 %", "gain over 1", "95 %", "p"], rows)
    yield "Gains are positive if the run is better, also if lower is better. Intervals: percentile"
    yield "bootstrap over the test examples; of lm-eval's tasks, by its standard error. p:"
    yield "two-sided paired approximate randomization, not corrected for multiple comparisons."
    yield "Neither includes the variance between seeds."
    yield ""


def _costs(comparison: Comparison, numbers: Sequence[str]) -> Iterator[str]:
    rows = []
    for cost in comparison.costs:
        times = [
            duration(seconds) + (" (reused)" if is_reused else "")
            for seconds, is_reused in zip(cost.seconds, cost.is_reused, strict=True)
        ]
        rows.append([cost.step, *times, *(number(memory) for memory in cost.memory_mib)])
    totals = [sum(cost.seconds[i] or 0.0 for cost in comparison.costs) for i in range(len(numbers))]
    rows.append(["all steps", *map(duration, totals), *("" for _ in numbers)])
    heads = [f"time {n}" for n in numbers] + [f"MiB {n}" for n in numbers]
    yield from _table(["step", *heads], rows)


def _short(digests: Differing) -> dict[str, tuple[str, ...]]:
    return {name: tuple(d[:DIGEST_CHARS] for d in row) for name, row in digests.items()}


def _bounds(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low + 0.0:.4g} to {interval.high + 0.0:.4g}"


def _p(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a Markdown table with aligned columns."""

    def cell(text: str) -> str:
        return cut(" ".join(text.split()), MAX_VALUE_CHARS).replace("|", "\\|")

    cells = [[cell(text) for text in row] for row in (heads, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    yield ""
    for at, row in enumerate(cells):
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(padded)} |"
        if at == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    yield ""
