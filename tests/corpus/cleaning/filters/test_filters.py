"""Specifies which filters are counted: `textmill.corpus.cleaning.filters`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from textmill.config import CleanConfig, SourceConfig
from textmill.corpus.cleaning.clean import clean
from textmill.corpus.cleaning.filters import FILTERS

ALWAYS = {"bad_record", "too_short", "exact_duplicate"}


def config_of(path: Path, **fields: Any) -> CleanConfig:
    source = SourceConfig(name="own", path=str(path), documents="line")
    return CleanConfig(sources=(source,), test_sets=(), validation_share=0.5, **fields)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, set()),
        ({"languages": ("und",)}, {"language"}),
        ({"near_duplicates": {"enabled": True, "threshold": 1.0}}, {"near_duplicate"}),
        ({"repeated_lines": {"enabled": True}}, {"repeated_lines"}),
        ({"decontamination": {"enabled": True}}, {"contaminated"}),
        (
            {
                "quality": {
                    "enabled": True,
                    "gopher_quality": {"enabled": False},
                    "c4": {"enabled": False},
                    "fineweb": {"enabled": False},
                }
            },
            {"gopher_repetition"},
        ),
    ],
)
def test_the_filters_that_are_on_are_those_that_metrics_name(
    tmp_path: Path, settings: dict[str, Any], names: set[str]
) -> None:
    file = tmp_path / "lines.txt"
    words = [" ".join(f"{letter * 3}{n}" for n in range(60)) for letter in "abcdefghijkl"]
    file.write_text("\n".join(words))
    config = config_of(file, **settings)
    out = tmp_path / "out"
    out.mkdir()
    clean(config, {}, out)
    metrics = json.loads((out / "metrics.json").read_text())
    counted = {name for name in metrics if name.startswith("rejected_") and "/" not in name}
    assert {name.removeprefix("rejected_") for name in counted} == ALWAYS | names
    assert {one.name for one in FILTERS if one.is_on(config)} == ALWAYS | names
