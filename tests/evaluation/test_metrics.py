"""Specifies what is known of a metric, and how metrics are computed."""

from __future__ import annotations

import subprocess
import sys

import datasets
import pytest

from textmill.evaluation.metrics import Metric, compute, leading, lower_is_better, means

METRICS = (
    Metric("length", lower_is_better=True, of_example=lambda row: float(len(row["text"]))),
    Metric("accuracy", leads=True),
)


def test_the_leading_metric_has_the_flag_leads() -> None:
    assert leading(METRICS).name == "accuracy"


@pytest.mark.parametrize(
    ("name", "is_lower"),
    [
        *(("length", True), ("accuracy", False), ("x", False)),
        *(("length/de", True), ("x/length", False)),
        *(("slice/language/de/length", True), ("slice/length/long/accuracy", False)),
    ],
)
def test_lower_is_better_only_if_defined(name: str, is_lower: bool) -> None:
    assert lower_is_better(METRICS, name) is is_lower


def test_a_metric_of_single_examples_is_their_mean() -> None:
    assert means(METRICS, [{"text": "a"}, {"text": "abc"}]) == {"length": 2.0}
    assert means(METRICS, []) == {"length": 0.0}


def test_a_function_is_computed_as_a_metric_of_evaluate_with_checked_values() -> None:
    def right(predictions: list[int], references: list[int], offset: str) -> dict[str, float]:
        """Count what is right."""
        shifted = [guess + int(offset) for guess in predictions]
        return {"right": sum(map(int.__eq__, shifted, references))}

    features = datasets.Features(
        dict.fromkeys(("predictions", "references"), datasets.Value("int64"))
    )
    assert compute(right, features, [1, 2], [2, 9], offset="1") == {"right": 1.0}
    with pytest.raises(ValueError, match="invalid literal"):
        compute(right, features, ["a"], [2], offset="1")


def test_computing_loads_neither_transformers_nor_torch_and_leaves_them_importable() -> None:
    code = """
import sys, datasets
from textmill.evaluation.metrics import compute
columns = dict.fromkeys(("predictions", "references"), datasets.Value("int64"))
features = datasets.Features(columns)
print(compute(lambda predictions, references: {"n": 1}, features, [1], [1]))
print({"evaluate", "torch", "transformers"} & {*sys.modules})
from transformers import GPT2Config
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["{'n': 1.0}", "{'evaluate'}"]
