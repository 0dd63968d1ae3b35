"""Tables of differences between groups: a row for each pair, in Markdown and in MLflow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textmill.evaluation.significance import Interval
from textmill.reports.formats import plain
from textmill.tasks.behaviour.group_differences import (
    DECIMALS,
    GroupDifference,
    differences_from_rows,
)
from textmill.tasks.behaviour.group_scores import GROUP_SCORES
from textmill.tracking.results import Result
from textmill.tracking.store import Store

TABLE = "group_differences.json"
MARK = "≠ 0"
"""Stands beside differences whose interval excludes zero."""


def group_differences(result: Result | None) -> tuple[GroupDifference, ...]:
    """Return the differences in a result of the behaviour step; empty without a bias report.

    Raises:
        RunError: a file is damaged.
    """
    names = () if result is None else [file.name for file in result.files(GROUP_SCORES)]
    return differences_from_rows(result.lines(GROUP_SCORES)) if result and names else ()


def marked_share(found: Sequence[GroupDifference]) -> str:
    """Return how many differences are marked, and how many are by chance alone, as a sentence."""
    n_marked = sum(one.is_marked for one in found)
    return (
        f"{n_marked} of {len(found)} differences {'is' if n_marked == 1 else 'are'} marked {MARK}; "
        "without any bias, about one in twenty would be, or more with more than two labels, as the "
        "label that changes most is shown."
    )


def signed(interval: Interval) -> str:
    """Return a difference with its sign."""
    return f"{interval.value:+z.{DECIMALS}f}"


def bounds(interval: Interval, sign: str = "") -> str:
    """Return the bounds of an interval; `+` as the sign shows that of positive ones as well."""
    low, high = (f"{value:{sign}z.{DECIMALS}f}" for value in (interval.low, interval.high))
    return f"{low} to {high}"


def bias_section(found: Sequence[GroupDifference]) -> Iterator[str]:
    """Yield the paragraphs of a model card about differences between groups, if there are any."""
    if not found:
        return
    yield "## Differences between groups"
    header = ["groups", "texts", "cases", "label", "difference", "95 % interval", ""]
    header += ["answers changed", "95 % interval"]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for one in found:
        pair = one.pair
        about = f": {plain(pair.about)}" if pair.about else ""
        first, second = map(plain, pair.groups)
        cells = [f"{pair.attribute}, {first} → {second}{about}", pair.origin]
        cells += [f"{len(pair.cases):,}", plain(pair.label), signed(one.change)]
        cells += [bounds(one.change, "+"), MARK if one.is_marked else ""]
        cells += [f"{one.flips.value:.3f}", bounds(one.flips)]
        lines.append(f"| {' | '.join(cells)} |")
    yield "\n".join(lines)
    yield (
        "Pairs of texts that differ only in a term of a group: the mean change of the probability "
        "of the label that changes most, from the first group to the second, and the share of "
        f"changed answers. Intervals are about other templates and terms. {marked_share(found)} "
        "That no difference is seen in these texts does not show that there is none in others."
    )


def log_group_differences(store: Store, result: Result, found: Sequence[GroupDifference]) -> None:
    """Log the differences to the run of a behaviour step as a table, once.

    Raises:
        StoreError: the store failed.
    """
    import pandas as pd  # slow

    with store.as_store_errors():
        # The client adds to a table that is there.
        if any(file.path == TABLE for file in store.client.list_artifacts(result.run_id)):
            return
        # MLflow looks for pictures in the columns of objects, and pandas warns of others.
        table = pd.DataFrame([*map(dict, map(_columns, found))], dtype=object)
        store.client.log_table(result.run_id, table, TABLE)


def _columns(one: GroupDifference) -> Iterator[tuple[str, str | int | float | bool]]:
    yield "attribute", one.pair.attribute
    yield "first", one.pair.groups[0]
    yield "second", one.pair.groups[1]
    yield "texts", one.pair.origin
    yield "cases", len(one.pair.cases)
    yield "label", one.pair.label
    for name, interval in (("difference", one.change), ("flips", one.flips)):
        yield name, interval.value
        yield f"{name}_low", interval.low
        yield f"{name}_high", interval.high
    yield "excludes_zero", one.is_marked
    yield "first_text", one.pair.largest[0]
    yield "second_text", one.pair.largest[1]
