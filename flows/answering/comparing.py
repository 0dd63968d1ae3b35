"""Comparison of pipeline runs: `textmill compare`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textmill.config import TrackingConfig
from textmill.reports.comparison import compare, log_comparison
from textmill.reports.side_by_side import plain_values, render
from textmill.tracking.store import Store, artifact_url
from textmill_flows.cli import terminal


def compare_runs(runs: Sequence[str], config: TrackingConfig, as_json: bool) -> Iterator[str]:
    """Yield the comparison, which is also logged to the last run, and its URL.

    In a read-only store, it is not logged.

    Args:
        runs: ids, beginnings of ids, or names.
        config: names the store.
        as_json: plain values instead of Markdown.

    Raises:
        InputError: a run cannot be used.
        RunError: a result is missing or damaged, or the store failed.
    """
    store = Store(config)
    comparison = compare(store, runs)
    place = None
    if store.read_only is None:
        place = artifact_url(comparison.runs[-1].url, log_comparison(store, comparison))
    if as_json:
        yield f"{terminal.as_json(plain_values(comparison) | {'artifact': place})}\n"
    else:
        same = f"\nThe same in MLflow: {place}\n" if place else ""
        yield f"{render(comparison)}{same}"
