"""Specifies the mean absolute error of labels that have an order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import mean_absolute_error

from tests.tasks.conftest import make_config, toy_rows, write_rows
from textmill.errors import InputError
from textmill.evaluation.significance import intervals
from textmill.files import read_json
from textmill.tasks.baseline import baseline
from textmill.tasks.classification.examples import Example, make_spec, read_examples
from textmill.tasks.classification.metrics import score, signatures
from textmill.tasks.statistics import tabulate

NAMES = ("bad", "so|so", "好")


def as_rows(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"text": f"{i}", "label": guess, "reference": true} for i, (guess, true) in enumerate(pairs)
    ]


def test_names_are_as_far_apart_as_their_places(tmp_path: Path) -> None:
    config = make_config(tmp_path, ordered=True, label_names=NAMES)
    rows = as_rows(("bad", "好"), ("so|so", "so|so"), ("好", "so|so"), ("bad", "bad"))
    assert score(config, rows)["mean_absolute_error"] == (2 + 0 + 1 + 0) / 4


def test_numbers_are_as_far_apart_as_their_difference(tmp_path: Path) -> None:
    config = make_config(tmp_path, ordered=True)
    guesses, true = ["1", "5", "2.5", "10"], ["2", "5", "4", "9"]
    expected = mean_absolute_error([*map(float, true)], [*map(float, guesses)])
    rows = as_rows(*zip(guesses, true, strict=True))
    assert score(config, rows)["mean_absolute_error"] == expected


def test_labels_without_order_have_no_error(tmp_path: Path) -> None:
    config = make_config(tmp_path, label_names=NAMES)
    rows = as_rows(("bad", "好"))
    assert "mean_absolute_error" not in score(config, rows)
    assert (
        "mean_absolute_error" not in tabulate("classification", [rows], signatures(config)).metrics
    )


@pytest.mark.parametrize("names", [NAMES, ()])
def test_statistics_give_the_same_error(tmp_path: Path, names: tuple[str, ...]) -> None:
    config = make_config(tmp_path, ordered=True, label_names=names)
    labels = names or ("1", "2", "4")
    pairs = [(labels[i % 3], labels[i * i % 3]) for i in range(60)]
    rows = as_rows(*pairs)
    table = tabulate("classification", [rows, rows], signatures(config))
    expected = score(config, rows)["mean_absolute_error"]
    assert table.values(1)["mean_absolute_error"] == pytest.approx(expected)
    interval = intervals(table, 0)["mean_absolute_error"]
    assert interval.low < expected < interval.high


@pytest.mark.parametrize("label", ["good", "nan", "inf"])
def test_labels_need_an_order(tmp_path: Path, label: str) -> None:
    examples = [Example("t", label, ""), Example("u", "1", "")]
    with pytest.raises(
        InputError, match=rf"tasks.mood.ordered=true: the label '{label}' .*label_n"
    ):
        make_spec(make_config(tmp_path, ordered=True), examples)
    make_spec(make_config(tmp_path), examples)


def test_the_scores_of_a_task_have_the_error(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_rows(tmp_path / f"{split}.jsonl", toy_rows(40, seed=1))
    config = make_config(tmp_path, ordered=True, label_names=("bad", "good"))
    assert {example.label for example in read_examples(config, "train")} == {"bad", "good"}
    out = tmp_path / "out"
    out.mkdir()
    baseline(config, {}, out)
    metrics = read_json(out / "metrics.json")
    assert metrics["mean_absolute_error"] == pytest.approx(1 - metrics["accuracy"])
    assert metrics["trivial/mean_absolute_error"] == pytest.approx(0.5)
