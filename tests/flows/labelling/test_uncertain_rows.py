"""Specifies which rows a person is asked to label."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.flows.answering.row_models import TASK
from textmill.config import RedactionConfig
from textmill.tasks.classification.examples import Spec
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.inputs import text_key
from textmill_flows.answering.input_rows import BadRow, InputRow
from textmill_flows.answering.row_prediction import BadRows
from textmill_flows.labelling.uncertain_rows import key_of, known_keys, most_uncertain

WORDS = [
    "apple",
    "river",
    "stone",
    "cloud",
    "engine",
    "garden",
    "window",
    "planet",
    "silver",
    "music",
]


def by_number(prepared: Sequence[Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Scores of texts that end in a percentage: the probability of the second label."""
    for (text,) in prepared:
        share = int(text.rsplit(maxsplit=1)[-1]) / 100
        yield np.array([1 - share, share])


PREDICTOR = Predictor("classification", Spec(("bad", "good")), [(by_number, 1.0)])


def row(text: str, place: str = "new.jsonl:1") -> InputRow:
    return InputRow({"text": text}, text, {"text": "text"}, place)


def different(number: int, percent: int) -> str:
    return f"{WORDS[number % 10]} {WORDS[number // 10 % 10]} {'xyz'[number % 3] * 20} {percent}"


def find(rows: Sequence[InputRow | BadRow], count: int = 3, **further: Any) -> list[str]:
    values: dict[str, Any] = {"known": (), "bad": BadRows(False), "show": lambda n: None}
    found = most_uncertain(PREDICTOR, rows, count=count, **values | further)
    return [str(candidate.row.given) for candidate in found]


def test_the_least_sure_come_first() -> None:
    rows = [row(different(n, percent)) for n, percent in enumerate((99, 45, 7, 52, 70))]
    assert find(rows) == [different(3, 52), different(1, 45), different(4, 70)]
    (first,) = most_uncertain(PREDICTOR, rows, (), 1, BadRows(False), print)
    assert (first.predicted, first.uncertainty) == ("good", pytest.approx(0.48))


def test_the_choice_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    percents = np.random.default_rng(3).permutation(99)
    rows = [row(different(n, int(percent))) for n, percent in enumerate(percents)]
    at_once = find(rows, 8)
    monkeypatch.setattr("textmill_flows.answering.row_prediction.BLOCK_ROWS", 7)
    assert find(rows, 8) == at_once


def test_known_texts_and_copies_are_left_out() -> None:
    rows = [row(text) for text in ("One day 50", "one  DAY 50", "known 49", "Another evening 40")]
    known = {text_key(("Known 49",))}
    assert find(rows, known=known) == ["One day 50", "Another evening 40"]


def test_near_copies_are_left_out() -> None:
    long = "The council met on Monday and agreed on the new budget for schools and roads"
    rows = [row(f"{long} 50"), row(f"{long}. 49"), row(f"Rain is expected in the north {45}")]
    assert find(rows) == [f"{long} 50", "Rain is expected in the north 45"]


def test_bad_rows_are_counted_or_refused() -> None:
    bad = BadRows(True)
    assert find([BadRow("a:1", "it is empty"), row("x 50")], bad=bad) == ["x 50"]
    assert bad.found == (1, "a:1: it is empty")


def test_personal_data_do_not_make_texts_different() -> None:
    redaction = RedactionConfig(enabled=True)
    one, other = (
        key_of(PREDICTOR, f"Write to {name}@example.org today", redaction)
        for name in ("ann", "bob")
    )
    assert one == other


def test_the_texts_of_every_split_are_known(tmp_path: Path) -> None:
    names = ("train", "test", "validation", "saved")
    for name in names:
        rows = [{"text": f"{name} {label}", "label": label} for label in ("good", "bad")]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    files = {name: str(tmp_path / f"{name}.jsonl") for name in names}
    section = {"source": "new.csv", "labels": files.pop("saved")}
    config = type(TASK).model_validate(TASK.model_dump() | files | {"labelling": section})
    known = known_keys(PREDICTOR, config)
    assert known == {text_key((f"{name} {label}",)) for name in names for label in ("good", "bad")}


def test_memory_does_not_grow_with_the_source() -> None:
    def peak(n: int) -> int:
        rows = (row(different(number, 1 + number % 98)) for number in range(n))
        tracemalloc.start()
        found = most_uncertain(PREDICTOR, rows, (), 5, BadRows(False), lambda n: None)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(found) == 5
        return size

    peak(600)  # what is loaded at the first call
    assert peak(6000) < 1.5 * peak(1200)
