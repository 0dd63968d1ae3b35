"""Specifies the evaluation of a task model: predictions that reproduce the metrics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from textmill.errors import InputError
from textmill.files import read_json
from textmill.tasks.classification.metrics import class_scores
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.evaluate import evaluate


@pytest.fixture(scope="module")
def evaluated(
    tuned: tuple[Path, Path], toy: ClassificationConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("evaluation")
    evaluate(toy, {"model": tuned[0]}, out)
    return out


def rows_of(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def test_the_predictions_reproduce_the_metrics(evaluated: Path) -> None:
    rows = rows_of(evaluated)
    scores = class_scores([r["label"] for r in rows], [r["reference"] for r in rows])
    metrics = read_json(evaluated / "metrics.json")
    assert scores == {name: metrics[name] for name in scores}
    assert metrics["test_examples"] == len(rows) == 40
    assert metrics["cut_examples"] == 0


def test_predictions_stand_in_the_order_of_the_test_file(
    evaluated: Path, toy: ClassificationConfig, tuned: tuple[Path, Path]
) -> None:
    given = [json.loads(line) for line in Path(toy.test).read_text().splitlines()]
    rows = rows_of(evaluated)
    assert [(r["text"], r["reference"]) for r in rows] == [(g["text"], g["label"]) for g in given]
    answers = load_predictor(tuned[0])([g["text"] for g in given])
    assert [r["label"] for r in rows] == [a["label"] for a in answers]


def test_an_unknown_label_is_refused(
    tuned: tuple[Path, Path], toy: ClassificationConfig, tmp_path: Path
) -> None:
    file = tmp_path / "odd.jsonl"
    file.write_text('{"text": "x", "label": "odd"}\n')
    config = toy.model_copy(update={"test": str(file)})
    with pytest.raises(InputError, match=r"odd.jsonl:1: the label 'odd' .*bad, good"):
        evaluate(config, {"model": tuned[0]}, tmp_path)
