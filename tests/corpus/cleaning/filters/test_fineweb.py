"""Specifies FineWeb's own rules: a text just on either side of each threshold."""

from __future__ import annotations

from typing import Any

import pytest

from textmill.config import FineWebConfig
from textmill.corpus.cleaning.filters.fineweb import fineweb

LINE = "A line that is longer than thirty characters"


@pytest.mark.parametrize(
    ("lines", "settings", "reason"),
    [
        ([f"{LINE} {n}." for n in range(3)] + [f"{LINE} {n}" for n in range(20)], {}, None),
        (
            [LINE + " at the end."] + [f"{LINE} {n}" for n in range(8)],
            {},
            "terminated_lines 0.1111 < 0.12",
        ),
        ([f"Short {n}." for n in range(2)] + [LINE + "."], {}, None),
        ([f"Short {n}." for n in range(3)] + [LINE + "."], {}, "short_lines 0.75 > 0.67"),
        ([LINE + "。", LINE + "！", "", LINE + "。"], {}, "duplicate_line_chars 0.3333 > 0.1"),
        (
            [f"{LINE} {n}." for n in range(9)],
            {"max_line_breaks_per_word": 0.05},
            "line_breaks_per_word 0.08889 > 0.05",
        ),
    ],
)
def test_fineweb(lines: list[str], settings: dict[str, Any], reason: str | None) -> None:
    assert fineweb("\n".join(lines), FineWebConfig.model_validate(settings)) == reason
