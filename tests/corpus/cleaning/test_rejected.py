"""Specifies the examples of what the clean step dropped."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.corpus.cleaning.rejected import in_order, rejected_examples


def write(folder: Path, number: int, rows: list[tuple[str, str, str]]) -> None:
    names = ("text", "source", "reason")
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    pq.write_table(table, folder / f"{number:05d}.parquet")


def test_each_reason_has_examples_of_as_many_sources_as_there_are(tmp_path: Path) -> None:
    folder = tmp_path / "rejected"
    folder.mkdir()
    write(folder, 0, [*[(f"a{i}", "a", "too_short") for i in range(5)], ("twice", "a", "double")])
    write(folder, 1, [("b0", "b", "too_short")])
    found = rejected_examples(tmp_path, 3)
    assert {reason: [row["text"] for row in rows] for reason, rows in found.items()} == {
        "double": ["twice"],
        "too_short": ["a0", "b0", "a1"],
    }


def test_details_of_duplicates_are_read_from_results_of_earlier_versions(tmp_path: Path) -> None:
    folder = tmp_path / "rejected"
    folder.mkdir()
    details = {
        "exact_duplicate": "e" * 32,
        "near_duplicate": "f" * 32 + ", similarity 0.91",
        "too_short": "2 characters",
    }
    rows = [{"text": "", "source": "a", "reason": r, "detail": d} for r, d in details.items()]
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    found = {reason: row for reason, (row,) in rejected_examples(tmp_path, 1).items()}
    names = ("detail", "duplicate_of", "similarity")
    assert {reason: tuple(row[name] for name in names) for reason, row in found.items()} == {
        "exact_duplicate": ("", "e" * 32, 1.0),
        "near_duplicate": ("similarity 0.91", "f" * 32, 0.91),
        "too_short": ("2 characters", None, None),
    }


def test_nothing_dropped_gives_no_examples(tmp_path: Path) -> None:
    assert rejected_examples(tmp_path, 3) == {}


def test_reasons_stand_in_the_order_in_which_filters_act() -> None:
    given = ["new", "near_duplicate", "exact_duplicate", "too_short", "c4", "bad_record"]
    assert in_order(given) == [
        *("bad_record", "too_short", "c4", "exact_duplicate", "near_duplicate", "new")
    ]
