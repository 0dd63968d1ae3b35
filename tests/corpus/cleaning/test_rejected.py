"""Specifies the examples of rejected documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.corpus.cleaning.document import Rejection
from textmill.corpus.cleaning.rejected import rejected_examples


def write(folder: Path, number: int, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(exist_ok=True)
    place = {"file": "a.txt", "line": 1}
    table = pa.Table.from_pylist([place | row for row in rows])
    pq.write_table(table, folder / f"{number:05d}.parquet")


def row(text: str, source: str, reason: str, detail: str = "") -> dict[str, Any]:
    return {"text": text, "source": source, "reason": reason, "detail": detail}


def test_each_reason_has_examples_from_all_sources(tmp_path: Path) -> None:
    folder = tmp_path / "rejected"
    write(folder, 0, [*[row(f"a{i}", "a", "too_short") for i in range(5)], row("2", "a", "double")])
    write(folder, 1, [row("b0", "b", "too_short")])
    found = rejected_examples(tmp_path, 3)
    assert {reason: [one.text for one in rows] for reason, rows in found.items()} == {
        "double": ["2"],
        "too_short": ["a0", "b0", "a1"],
    }


def test_details_are_read_from_results_of_earlier_versions(tmp_path: Path) -> None:
    folder = tmp_path / "rejected"
    details = {
        "exact_duplicate": "e" * 32,
        "near_duplicate": "f" * 32 + ", similarity 0.91",
        "contaminated": "mood, topic: was it he",
        "too_short": "2 characters",
    }
    write(folder, 0, [row("", "a", reason, detail) for reason, detail in details.items()])
    shared = {"duplicate_of": "d" * 32, "similarity": 0.8}  # since the release before this one
    write(folder, 1, [row("", "a", "double", "similarity 0.80") | shared])
    found = {reason: only.rejection for reason, (only,) in rejected_examples(tmp_path, 1).items()}
    assert list(found.values()) == [
        Rejection("contaminated", details["contaminated"], contaminates=("mood", "topic")),
        Rejection("double", "similarity 0.80", "d" * 32, 0.8),
        Rejection("exact_duplicate", "", "e" * 32, 1.0),
        Rejection("near_duplicate", "similarity 0.91", "f" * 32, 0.91),
        Rejection("too_short", "2 characters"),
    ]


def test_nothing_rejected_gives_no_examples(tmp_path: Path) -> None:
    assert rejected_examples(tmp_path, 3) == {}
