"""Specifies that cleaning detects the planted noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.ids import document_id
from textmill.compose import compose
from textmill.config import CleanConfig, CorpusConfig
from textmill.corpus.cleaning.clean import clean
from textmill.corpus.cleaning.repair import cleaning_steps
from textmill.safety.redaction import redact
from textmill.tracking.raw_data import with_sample


@pytest.fixture(scope="module")
def config(sample: Any) -> CorpusConfig:
    return with_sample(compose("demo", []), str(sample.folder)).corpus


@pytest.fixture(scope="module")
def cleaned(config: CorpusConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cleaned")
    clean(CleanConfig(**dict(config)), {}, out)
    return out


def id_of(text: str, config: CorpusConfig) -> str:
    for step in cleaning_steps(config).values():
        text = step(text)
    return document_id(redact(text, config.redaction)[0])


def test_near_duplicates_are_the_planted_ones(
    sample: Any, config: CorpusConfig, cleaned: Path
) -> None:
    entries = sample.planted["near_duplicates"] + [
        entry for entry in sample.planted["exact_duplicates"] if entry["form"] == "white space"
    ]
    planted = {
        frozenset(id_of(sample.text_of(place), config) for place in (entry, entry["original"]))
        for entry in entries
    }
    rows = pq.read_table(cleaned / "rejected").to_pylist()
    found = [
        frozenset((document_id(row["text"]), row["duplicate_of"]))
        for row in rows
        if row["reason"] == "near_duplicate"
    ]
    metrics = json.loads((cleaned / "metrics.json").read_text())
    assert metrics["rejected_near_duplicate"] == len(found)
    assert len(planted.intersection(found)) >= 0.99 * len(planted)
    assert len(planted.intersection(found)) >= 0.95 * len(found)  # few patterns make all texts
