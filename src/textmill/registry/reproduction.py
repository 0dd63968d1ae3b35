"""Comparison of a reproduction with the recorded run, step by step."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from textmill.registry.recorded import Recorded, RecordedStep
from textmill.tracking.pipeline import Pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store

REPRODUCES_TAG = "textmill.reproduces"
SCOPE_TAG = "textmill.scope"
VERDICT_TAG = "textmill.reproduction"
NAME = "reproduction"
TOLERANCE = 0.02
"""Default tolerance for metrics: absolute for values below 1, relative above.

Another type of machine or version of torch rounds differently, which training amplifies, so that no
digest of a model is equal. A score over 500 test examples changes by as much if ten predictions
change.
"""
MAX_NAMED = 4

Verdict = Literal["equal", "equal within", "different"]
ORDER: tuple[Verdict, ...] = ("equal", "equal within", "different")


@dataclass(frozen=True)
class Difference:
    """A changed digest of a file or value of a metric; None if it is missing."""

    before: Any
    now: Any


@dataclass(frozen=True)
class StepComparison:
    """Comparison of a recorded step with its reproduction."""

    label: str
    run_before: str
    run_now: str
    n_files: int
    n_metrics: int
    files: Mapping[str, Difference]
    """Changed files, by name."""
    metrics: Mapping[str, Difference]
    """Changed metrics, by name."""
    verdict: Verdict
    """equal: all digests and metrics; equal within: metrics within the tolerance."""


def reproduction_scope(store: Store, run_id: str) -> str:
    """Return the scope within which the steps of a reproduction reuse results.

    It is new, so that every step is computed; or that of the newest reproduction of the run, if it
    was interrupted.
    """
    condition = f"tags.`textmill.kind`='pipeline' and tags.`{REPRODUCES_TAG}`='{run_id}'"
    for newest in store.search(condition, 1):
        if newest.info.status in ("KILLED", "FAILED"):
            return str(newest.data.tags[SCOPE_TAG])
    return uuid.uuid4().hex[:12]


def compare_steps(
    recorded: Recorded, results: Mapping[str, Result], tolerance: float = TOLERANCE
) -> list[StepComparison]:
    """Return the comparison of each recorded step with its new result, in execution order."""
    return [_compare(before, results[label], tolerance) for label, before in recorded.steps.items()]


def _compare(before: RecordedStep, result: Result, tolerance: float) -> StepComparison:
    then, now = before.manifest["files"], result.manifest["files"]
    files = _differences(then, now)
    numbers = _differences(before.metrics, result.metrics())
    verdict: Verdict = "equal"
    if files or numbers:
        is_near = all(_is_near(d.before, d.now, tolerance) for d in numbers.values())
        # Without metrics, changed files cannot be judged.
        verdict = "equal within" if is_near and before.metrics else "different"
    return StepComparison(
        label=before.label,
        run_before=before.run.info.run_id,
        run_now=result.run_id,
        n_files=len(then.keys() | now.keys()),
        n_metrics=len(before.metrics.keys() | result.metrics().keys()),
        files=files,
        metrics=numbers,
        verdict=verdict,
    )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Difference]:
    return {
        name: Difference(before.get(name), now.get(name))
        for name in sorted(before.keys() | now.keys())
        if not _is_equal(before.get(name), now.get(name))
    }


def _is_equal(before: Any, now: Any) -> bool:
    is_nan = [isinstance(value, float) and math.isnan(value) for value in (before, now)]
    return all(is_nan) or bool(before == now)


def _is_near(before: float | None, now: float | None, tolerance: float) -> bool:
    if before is None or now is None:
        return False
    return abs(now - before) <= tolerance * max(1.0, abs(before))


def overall(comparisons: list[StepComparison]) -> Verdict:
    """Return the worst verdict; "different" if nothing was compared."""
    return max((c.verdict for c in comparisons), key=ORDER.index, default="different")


def table(comparisons: list[StepComparison], tolerance: float = TOLERANCE) -> str:
    """Return the comparison as Markdown: a table of steps, and the differences."""
    lines = ["| step | files equal | metrics equal | result |", "|---|---|---|---|"]
    for c in comparisons:
        files = f"{c.n_files - len(c.files)} of {c.n_files}"
        metrics = f"{c.n_metrics - len(c.metrics)} of {c.n_metrics}" if c.n_metrics else "–"
        verdict = f"equal within {tolerance:g}" if c.verdict == "equal within" else c.verdict
        lines.append(f"| {c.label} | {files} | {metrics} | {verdict} |")
    different = [line for c in comparisons for line in _details(c)]
    return "\n".join([*lines, *(["", *different] if different else [])])


def _details(c: StepComparison) -> Iterator[str]:
    if c.files:
        more = f" and {len(c.files) - MAX_NAMED} more" if len(c.files) > MAX_NAMED else ""
        yield f"- {c.label}: changed files: {', '.join(list(c.files)[:MAX_NAMED])}{more}"
    for name, d in list(c.metrics.items())[:MAX_NAMED]:
        yield f"- {c.label}: {name} was {_number(d.before)} and is {_number(d.now)}"
    if len(c.metrics) > MAX_NAMED:
        yield f"- {c.label}: {len(c.metrics) - MAX_NAMED} more metrics differ"


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.6g}"


def log_reproduction(
    pipeline: Pipeline,
    comparisons: list[StepComparison],
    differences: list[str],
    tolerance: float = TOLERANCE,
) -> None:
    """Log the comparison to the new parent run: a tag, a table, and JSON.

    Args:
        pipeline: the run of the reproduction.
        comparisons: comparisons of its steps.
        differences: known differences of data, code, packages and machine.
        tolerance: tolerance for metrics.

    Raises:
        StoreError: the store failed.
    """
    client, verdict = pipeline.store.client, overall(comparisons)
    known = "".join(f"- {line}\n" for line in differences)
    text = f"{table(comparisons, tolerance)}\n" + (f"\nKnown before:\n\n{known}" if known else "")
    client.log_text(pipeline.run_id, text, f"{NAME}.md")
    content = {
        "verdict": verdict,
        "tolerance": tolerance,
        "known_before": differences,
        "steps": [asdict(c) for c in comparisons],
    }
    client.log_text(pipeline.run_id, json.dumps(content, indent=2), f"{NAME}.json")
    pipeline.store.set_tags(pipeline.run_id, {VERDICT_TAG: verdict})
