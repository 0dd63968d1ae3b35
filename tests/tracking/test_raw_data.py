"""Specifies what steps are given to read: with a digest that is taken again later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from textmill.config import AnyTask, CorpusConfig
from textmill.errors import InputError
from textmill.steps.parts import CorpusSource, Split
from textmill.steps.raw_sources import Source
from textmill.tracking.raw_data import find_sources


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    """A folder, a file and a local data set folder of the corpus, and the files of a task."""
    for name in ("notes/a.txt", "more.txt", "set/train.jsonl", "train.csv", "test.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    places: dict[str, Any] = {
        "notes": {"path": str(tmp_path / "notes")},
        "more": {"path": str(tmp_path / "more.txt")},
        "set": {"hub": str(tmp_path / "set")},
    }
    listed = [{"name": name, **place} for name, place in places.items()]
    files = {split: str(tmp_path / f"{split}.csv") for split in ("train", "test")}
    task = {"kind": "classification", "name": "mood", **files}
    mood = TypeAdapter(AnyTask).validate_python(task)
    corpus = CorpusConfig.model_validate({"sources": listed})
    splits = (Split(mood, "train"), Split(mood, "test"))
    return [*find_sources((*map(CorpusSource, corpus.sources), *splits))]


def test_data_that_stay_as_they_are_pass(sources: list[Source]) -> None:
    assert len(sources) == 5
    for source in sources:
        source.check()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("notes/a.txt", "notes"),
        ("notes/b.txt", "notes"),
        ("more.txt", "more"),
        ("set/train.jsonl", "set"),
        ("train.csv", "mood/train"),
        ("test.csv", "mood/test"),
    ],
)
def test_a_file_that_changes_or_appears_is_noticed(
    sources: list[Source], tmp_path: Path, file: str, name: str
) -> None:
    (tmp_path / file).write_text("changed")
    changed = [s.name for s in sources if s.digest_now and s.digest_now() != s.digest]
    assert changed == [name]


def test_a_file_that_is_gone_is_refused(sources: list[Source], tmp_path: Path) -> None:
    (tmp_path / "train.csv").unlink()
    with pytest.raises(InputError, match="train.csv does not exist"):
        sources[3].check()
