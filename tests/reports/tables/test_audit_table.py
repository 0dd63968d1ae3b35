"""Specifies the table of a memorization audit."""

from __future__ import annotations

from tests.memorized import make_audit
from textmill.reports.tables.audit_table import markdown


def test_the_table_has_a_row_per_group_and_split() -> None:
    assert markdown(make_audit()).splitlines() == [
        "| memorization | texts | exposure in bits | reproduced | 95 % interval |",
        "| --- | --- | --- | --- | --- |",
        "| canaries, 1 × in the text | 2 | 2.00 (1.00 to 3.00) | 0.000 | 0.000 to 0.658 |",
        "| canaries, 8 × in the text | 1 | 12.00 (12.00 to 12.00) | 1.000 | 0.207 to 1.000 |",
        "| canaries, not in the text (expected) |  | 1.44 |  |  |",
        "| training text | 4 |  | 0.250 | 0.046 to 0.699 |",
        "| validation text | 5 |  | 0.000 | 0.000 to 0.434 |",
    ]


def test_a_split_without_excerpts_has_no_share() -> None:
    found = make_audit().model_copy(update={"excerpts": {"train": (True,), "validation": ()}})
    assert "| validation text | 0 |  |  |  |" in markdown(found)
